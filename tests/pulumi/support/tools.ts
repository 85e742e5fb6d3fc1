// Once for the whole run: the CLI and its language host, built when they are not on PATH.
import type { TestProject } from "vitest/node";
import { pulumiTools } from "../tools/build.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of `pulumi`, or why there is none. */
    pulumi: { folder: string } | { missing: string };
  }
}

export default function setup(project: TestProject): void {
  const tools = pulumiTools();
  if ("missing" in tools) {
    // Where nothing may be left out, the suite fails; elsewhere it says why it cannot run.
    if (process.env["TICKHUB_CI"] === "1")
      throw new Error(`The engine's tests need ${tools.missing}.`);
    console.log(`The engine's tests cannot run here: ${tools.missing}.`);
  } else console.log(`pulumi from ${tools.folder}, built in ${tools.seconds} s`);
  project.provide("pulumi", tools);
}
