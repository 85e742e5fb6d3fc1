// Oracle Cloud: an API key made here, its public half given to the console, the home region looked up, and the
// newest Ubuntu image pinned.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HUB } from "../setup.ts";
import type { Setup, Step } from "../setup.ts";
import { fingerprintOf, newestImage, newKeyPair, ociClient, readHome } from "../vendors/oci.ts";
import type { Home } from "../vendors/oci.ts";
import { same } from "../words.ts";

/** In ~/.oci/config, where the provider and `tickhub audit` look as well. */
const PROFILE = "TICKHUB";

export const oci: Step = {
  name: "oci",
  title: { en: "Oracle Cloud", ko: "오라클 클라우드" },
  async run(setup) {
    const { io, memory, pulumi, endpoints } = setup;
    const privateKey = keyOf(setup);
    const ocid = (kind: string) => ({
      check: (text: string) =>
        new RegExp(`^ocid1\\.${kind}\\.[a-z0-9.-]+$`).test(text)
          ? null
          : {
              en: `An OCID that begins with ocid1.${kind}.`,
              ko: `ocid1.${kind}. 로 시작하는 OCID`,
            },
    });
    for (;;) {
      const tenancyId =
        memory.get("tenancyId") ??
        (await io.ask(
          { en: "Tenancy OCID (Profile > Tenancy):", ko: "테넌시 OCID (프로필 > 테넌시):" },
          ocid("tenancy"),
        ));
      const userId =
        memory.get("userId") ??
        (await io.ask(
          { en: "User OCID (Profile > My profile):", ko: "사용자 OCID (프로필 > 내 프로필):" },
          ocid("user"),
        ));
      const region = await regionOf(setup);
      const fingerprint = fingerprintOf(privateKey);
      const key = { tenancyId, userId, fingerprint, privateKey };
      const api = ociClient(key, region, endpoints.oci || undefined);
      let home: Home;
      try {
        home = await readHome(api, tenancyId);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        io.say({
          en: `Oracle does not take the key: ${why}. A new key works after a minute; are both OCIDs right?`,
          ko: `오라클이 키를 거부했습니다: ${why}. 새 키는 1분 뒤에 동작합니다. OCID 두 개가 맞습니까?`,
        });
        await io.ask(
          { en: "Enter ok to try again:", ko: "다시 시도하려면 ok:" },
          { default: "ok" },
        );
        continue;
      }
      memory.set("tenancyId", tenancyId);
      memory.set("userId", userId);
      memory.set("region", home.region);
      const image = await newestImage(api, tenancyId, "VM.Standard.A1.Flex");
      writeProfile(setup, { tenancyId, userId, fingerprint, region: home.region });
      await pulumi.set(HUB, "oci:tenancyOcid", tenancyId);
      await pulumi.set(HUB, "oci:region", home.region);
      await pulumi.set(HUB, "oci:configFileProfile", PROFILE);
      await pulumi.set(HUB, "imageId", image.id);
      io.say({
        en: `  home region ${home.region}, ${home.availabilityDomains} availability domain(s), image ${image.displayName}`,
        ko: `  홈 리전 ${home.region}, 가용 도메인 ${home.availabilityDomains}개, 이미지 ${image.displayName}`,
      });
      break;
    }
    const email = await io.ask(
      { en: "E-mail that hears of any spending:", ko: "비용이 생기면 알릴 이메일:" },
      { check: (text) => (/^[^@\s,]+@[^@\s,]+$/.test(text) ? null : same("you@example.com")) },
    );
    await pulumi.set(HUB, "budgetEmail", email);
  },
};

/** The key's private half, made once; the public one is shown until the console has it. */
function keyOf({ io, home }: Setup): string {
  const file = join(home, ".oci", "tickhub_api_key.pem");
  if (!existsSync(file)) {
    mkdirSync(join(home, ".oci"), { recursive: true, mode: 0o700 });
    const { privateKey, publicKey } = newKeyPair();
    writeFileSync(file.replace(/\.pem$/, "_public.pem"), publicKey);
    writeFileSync(file, privateKey, { mode: 0o600 });
  }
  const publicKey = readFileSync(file.replace(/\.pem$/, "_public.pem"), "utf8");
  io.say({
    en: `cloud.oracle.com > Profile (top right) > My profile > API keys > Add API key > Paste a public key:\n\n${publicKey}`,
    ko: `cloud.oracle.com > 프로필(오른쪽 위) > 내 프로필 > API 키 > API 키 추가 > 공개 키 붙여넣기:\n\n${publicKey}`,
  });
  return readFileSync(file, "utf8");
}

async function regionOf({ io, memory }: Setup): Promise<string> {
  const known = memory.get("region");
  if (known) return known;
  const region = await io.ask(
    {
      en: "Home region (top of the console, such as eu-frankfurt-1):",
      ko: "홈 리전 (예: eu-frankfurt-1):",
    },
    { check: (text) => (/^[a-z]{2}(-[a-z]+)+-\d+$/.test(text) ? null : same("ap-seoul-1")) },
  );
  memory.set("region", region);
  return region;
}

/** Adds or replaces our profile; the others stay as they are. */
function writeProfile(
  { home }: Setup,
  { tenancyId, userId, fingerprint, region }: Record<string, string>,
): void {
  const path = join(home, ".oci", "config");
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  const others = before.replace(new RegExp(`\\[${PROFILE}\\][^[]*`), "").trimEnd();
  const ours = [
    `[${PROFILE}]`,
    `user=${userId}`,
    `fingerprint=${fingerprint}`,
    `tenancy=${tenancyId}`,
    `region=${region}`,
    `key_file=${join(home, ".oci", "tickhub_api_key.pem")}`,
  ].join("\n");
  writeFileSync(path, `${others === "" ? "" : `${others}\n\n`}${ours}\n`, { mode: 0o600 });
}
