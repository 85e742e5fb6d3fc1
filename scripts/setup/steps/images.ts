// The registry that the images go to.
import { TickhubError } from "../../../app/shared/errors.ts";
import { checkRegistry } from "../../../infra/lib/registry.ts";
import { HUB } from "../setup.ts";
import type { Step } from "../setup.ts";
import { same } from "../words.ts";

export const images: Step = {
  name: "images",
  title: { en: "Images", ko: "이미지" },
  async run({ io, pulumi }) {
    const repository = await io.ask(
      {
        en: "Where to push the images (a free one: ghcr.io/YOURNAME/tickhub):",
        ko: "이미지를 올릴 곳 (무료: ghcr.io/이름/tickhub):",
      },
      {
        check: (text) =>
          /^[a-z0-9.-]+(:\d+)?(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+$/.test(text)
            ? null
            : same("ghcr.io/yourname/tickhub"),
      },
    );
    const username = await io.ask({ en: "Login there:", ko: "로그인:" });
    const password = await io.ask(
      {
        en: "Token (GitHub: Settings > Developer settings > Tokens (classic) > write:packages):",
        ko: "토큰 (GitHub: Settings > Developer settings > Tokens (classic) > write:packages):",
      },
      {
        secret: true,
        check: async (token) => {
          const why = await refusal({ repository, username, password: token });
          return why === null
            ? null
            : { en: `The registry says: ${why}`, ko: `레지스트리 응답: ${why}` };
        },
      },
    );
    await pulumi.set(HUB, "registry", repository);
    await pulumi.set(HUB, "registryUsername", username);
    await pulumi.setSecret(HUB, "registryPassword", password);
    io.say(same(`  ${repository}`));
  },
};

/** Null when the login may push and pull. */
async function refusal(login: Parameters<typeof checkRegistry>[0]): Promise<string | null> {
  try {
    await checkRegistry(login, ["hub", "edge"], { push: true });
    return null;
  } catch (error) {
    if (error instanceof TickhubError) return `${error.message}. ${error.hint}`;
    throw error;
  }
}
