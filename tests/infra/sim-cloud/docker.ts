// Docker with a registry behind it: an image's digest follows from what it is built of. Nothing is built.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Refused, type Behaviour } from "./behaviour.ts";
import type { Cloud } from "./cloud.ts";
import { object, text, type Inputs } from "./values.ts";

const IMAGE = "docker:index/image:Image";

/** The Dockerfile, the version of the package, and what a test says the sources are. */
function contextDigest(cloud: Cloud, inputs: Inputs): string {
  const build = object(inputs["build"]);
  const context = resolve(text(build["context"]) || ".");
  const files = [
    resolve(text(build["dockerfile"]) || join(context, "Dockerfile")),
    join(context, "package.json"),
    join(cloud.folder, "sources"),
  ];
  const hash = createHash("sha256");
  for (const file of files) hash.update(existsSync(file) ? readFileSync(file) : "").update("\n");
  return hash.digest("hex");
}

const repository = (inputs: Inputs): string =>
  text(inputs["imageName"])
    .replace(/@.*$/, "")
    .replace(/:[^/:]*$/, "");

export const docker: Behaviour = {
  // As the provider does: what the context holds is an input, so that a change of it is a change.
  defaults: ({ cloud, type, inputs }) =>
    type === IMAGE ? { build: { contextDigest: contextDigest(cloud, inputs) } } : {},
  id: ({ inputs }) => text(inputs["imageName"]),
  admit({ type, inputs, cloud }) {
    if (type !== IMAGE || inputs["skipPush"] === true) return;
    const denied = join(cloud.folder, "registry-denies");
    const registry = object(inputs["registry"]);
    if (existsSync(denied) && readFileSync(denied, "utf8").trim() === text(registry["password"]))
      throw new Refused(
        `error pushing ${text(inputs["imageName"])}: unauthorized: authentication required`,
      );
  },
  outputs({ cloud, type, inputs }) {
    if (type !== IMAGE) return {};
    const build = object(inputs["build"]);
    const digest = createHash("sha256")
      .update(
        JSON.stringify([text(inputs["imageName"]), build["platform"] ?? "", build["target"] ?? ""]),
      )
      .update(text(build["contextDigest"]) || contextDigest(cloud, inputs))
      .digest("hex");
    return {
      baseImageName: text(inputs["imageName"]),
      registryServer:
        text(object(inputs["registry"])["server"]) || repository(inputs).split("/")[0]!,
      repoDigest: `${repository(inputs)}@sha256:${digest}`,
    };
  },
  invoke(_cloud, token, args) {
    if (!token.endsWith(":getRegistryImage"))
      throw new Refused(`The simulated docker answers no ${token}.`);
    const digest = createHash("sha256").update(text(args["name"])).digest("hex");
    return { id: digest, name: text(args["name"]), sha256Digest: `sha256:${digest}` };
  },
};
