// The stacks' files as they lie in the repository: links, what is to be filled in, and no secret.
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../infra/config.ts";
import { CONFIG_KEYS, type ConfigKey } from "../../infra/lib/config-keys.ts";
import { HUB_KEYS, sourceOf } from "./support/hub-config.ts";

const FILES = readdirSync(".").filter((name) => /^Pulumi\..+\.yaml$/.test(name));

/** `  namespace:key: value` lines; these files have nothing deeper. */
function keysOf(file: string): Record<string, string> {
  const lines = readFileSync(file, "utf8").matchAll(/^ {2}([a-z]+:[A-Za-z]+): (.+)$/gm);
  return Object.fromEntries(
    [...lines].map(([, key, value]) => [key!, value!.replace(/^"(.*)"$/, "$1")]),
  );
}

describe("the stacks' files", () => {
  it.each([
    ["Pulumi.edge-gcp.yaml", "Pulumi.gcp.yaml", "edge-gcp"],
    ["Pulumi.edge-northflank.yaml", "Pulumi.northflank.yaml", "edge-northflank"],
  ])("%s is a link to %s, and both are the same text with the role %s", (link, file, role) => {
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readlinkSync(link)).toBe(file);
    expect(realpathSync(link)).toBe(realpathSync(file));
    expect(readFileSync(link, "utf8")).toBe(readFileSync(file, "utf8"));
    expect(keysOf(link)["tickhub:role"]).toBe(role);
  });

  it("hold no secret, not even an encrypted one, and no salt", () => {
    for (const file of FILES) {
      const text = readFileSync(file, "utf8");
      expect(text, file).not.toMatch(
        /^\s*(encryptionsalt|encryptedkey|secretsprovider|.*secure):/m,
      );
      expect(text, file).not.toMatch(/tskey-[a-z]+-[A-Za-z0-9]{6,}|BEGIN [A-Z ]*PRIVATE KEY/);
    }
  });

  it("have only keys that their role knows", () => {
    for (const file of FILES) {
      const keys = keysOf(file);
      const known: Record<string, ConfigKey> =
        CONFIG_KEYS[keys["tickhub:role"] as keyof typeof CONFIG_KEYS];
      // Other namespaces belong to the providers, which have keys of their own.
      const ours = Object.keys(keys).filter((key) => key.startsWith("tickhub:"));
      const unknown = ours.filter((key) => !(key.replace("tickhub:", "") in known));
      expect(unknown, file).toEqual([]);
    }
  });

  it.each(["oci", "oci-staging"])(
    "of %s is complete once what says FILL and the secrets are set",
    (stack) => {
      const given = keysOf(`Pulumi.${stack}.yaml`);
      const filled = Object.entries(given).map(([key, value]) => [
        key,
        value.startsWith("FILL") ? HUB_KEYS[key]! : value,
      ]);
      const secrets = {
        "tickhub:registryPassword": HUB_KEYS["tickhub:registryPassword"]!,
        "tickhub:seed": HUB_KEYS["tickhub:seed"]!,
      };
      const source = { ...(Object.fromEntries(filled) as Record<string, string>), ...secrets };
      expect(() => parseConfig(sourceOf(given, { stack }))).toThrow("STACK_CONFIG_MISSING");
      const config = parseConfig(sourceOf(source, { stack }));
      expect(config).toMatchObject({ role: "hub", staging: stack === "oci-staging" });
      expect(config).toMatchObject({ app: { symbols: ["005930", "000660"] } });
    },
  );
});

describe("the images' context", () => {
  it("has what each image's own list has, because the provider reads only the one at the root", () => {
    const lines = (file: string) =>
      readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line && !line.startsWith("#"));
    expect(lines(".dockerignore")[0]).toBe("*");
    const own = readdirSync("images")
      .map((name) => `images/${name}/Dockerfile.dockerignore`)
      .filter((file) => existsSync(file))
      .flatMap((file) => lines(file).filter((line) => line.startsWith("!")));
    expect(own).toContain("!app");
    expect(lines(".dockerignore")).toEqual(expect.arrayContaining(own));
  });
});
