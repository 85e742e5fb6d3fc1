// The images of this version of the app, built here and pushed to the configured registry. What comes out is
// `repository@sha256:…`, the only form in which machines are told of an image. The Dockerfiles run no program
// in their last stage, so the hub's arm64 image is built on an amd64 machine without an emulator.
import { relative, resolve } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { forPulumi } from "../lib/for-pulumi.ts";
import { pinned, registryAddress } from "../lib/image-ref.ts";
import { checkPull } from "../lib/registry.ts";

/** The build's context. Relative, because an absolute path would differ from one checkout to the next. */
const ROOT = relative(process.cwd(), resolve(import.meta.dirname, "../..")) || ".";

export interface ImagesArgs {
  /** `ghcr.io/owner/tickhub`; images are `<repository>/hub` and `<repository>/edge`. */
  repository: string;
  username: string;
  password: pulumi.Output<string>;
  /** Of the hub's VM; edges run on amd64 everywhere. */
  arch: "arm64" | "amd64";
  /** For people who look at the registry; nothing is ever pulled by it. */
  tag: string;
  /** Reads the pushed images back with the login that the VM will use. */
  check: boolean;
}

export class Images extends pulumi.ComponentResource {
  readonly hub: pulumi.Output<string>;
  readonly edge: pulumi.Output<string>;

  constructor(name: string, args: ImagesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("tickhub:hub:Images", name, {}, opts);
    this.hub = this.#image("hub", args.arch, args);
    this.edge = this.#image("edge", "amd64", args);
    this.registerOutputs({ hub: this.hub, edge: this.edge });
  }

  #image(what: "hub" | "edge", arch: string, args: ImagesArgs): pulumi.Output<string> {
    const repository = `${args.repository}/${what}`;
    const image = new docker.Image(
      `${what}-image`,
      {
        imageName: `${repository}:${args.tag}`,
        build: {
          context: ROOT,
          dockerfile: `${ROOT}/images/${what}/Dockerfile`,
          platform: `linux/${arch}`,
          builderVersion: docker.BuilderVersion.BuilderBuildKit,
        },
        registry: {
          server: registryAddress(args.repository),
          username: args.username,
          password: args.password,
        },
      },
      { parent: this },
    );
    const reference = pulumi
      .all([image.repoDigest, args.password])
      .apply(async ([pushed, password]) => {
        try {
          const pushedAs = pinned(repository, pushed);
          const login = { repository: args.repository, username: args.username, password };
          if (args.check) await checkPull(login, pushedAs);
          return pushedAs;
        } catch (error) {
          throw forPulumi(error);
        }
      });
    // Only the password in its making was secret; the VM's release and the edges name the digest openly.
    return pulumi.unsecret(reference);
  }
}
