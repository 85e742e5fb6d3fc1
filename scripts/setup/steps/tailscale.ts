// Tailscale: an API access token, which the first `pulumi up` needs in its environment; it is never stored.
import { HUB } from "../setup.ts";
import type { Step } from "../setup.ts";
import { readTailnet } from "../vendors/tailscale.ts";
import type { Tailnet } from "../vendors/tailscale.ts";
import { same } from "../words.ts";

export const tailscale: Step = {
  name: "tailscale",
  title: same("Tailscale"),
  async run({ io, memory, pulumi, endpoints }) {
    io.say({
      en: "login.tailscale.com > Settings > Keys > Generate access token. It is used here once; export it as TAILSCALE_API_KEY for pulumi up.",
      ko: "login.tailscale.com > Settings > Keys > Generate access token. 여기서는 확인에만 쓰고 저장하지 않습니다. pulumi up 때는 TAILSCALE_API_KEY로 지정하십시오.",
    });
    let tailnet: Tailnet | undefined;
    await io.ask(same("tskey-api-…:"), {
      secret: true,
      check: async (token) => {
        const read = await readTailnet(endpoints.tailscale, token);
        if (typeof read !== "string") tailnet = read;
        return typeof read === "string"
          ? { en: `Tailscale says: ${read}`, ko: `Tailscale 응답: ${read}` }
          : null;
      },
    });
    const domain = await io.ask(
      {
        en: "The tailnet's MagicDNS suffix (DNS page):",
        ko: "tailnet의 MagicDNS 도메인 (DNS 화면):",
      },
      {
        ...(tailnet?.domain === undefined ? {} : { default: tailnet.domain }),
        check: (text) => (/^[a-z0-9-]+\.ts\.net$/.test(text) ? null : same("tail1234.ts.net")),
      },
    );
    const admins = await io.ask(
      {
        en: "Logins that may use SSH, the database and the page, separated by commas:",
        ko: "SSH, 데이터베이스, 화면을 쓸 로그인 (쉼표로 구분):",
      },
      {
        ...(tailnet?.admins.length ? { default: tailnet.admins.join(",") } : {}),
        check: (text) =>
          text.split(",").every((one) => /^[^@\s]+@[^@\s]+$/.test(one.trim()))
            ? null
            : same("you@example.com"),
      },
    );
    await pulumi.set(HUB, "tailnetDomain", domain);
    await pulumi.set(HUB, "tailnetAdmins", admins);
    memory.set("domain", domain);
    io.say({
      en: "  if the tailnet had a policy of yours before: npm run tailnet:adopt",
      ko: "  기존 정책이 있으면 먼저: npm run tailnet:adopt",
    });
  },
};
