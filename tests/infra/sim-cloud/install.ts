// Puts the simulated providers where Pulumi looks for the real ones, at the versions of the installed SDKs,
// so that nothing is downloaded.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGES, readTable } from "./table.ts";

/** Writes `<pulumiHome>/plugins/resource-<package>-v<version>/pulumi-resource-<package>` for each package. */
export function installSimCloud(pulumiHome: string): void {
  for (const name of PACKAGES) {
    const folder = join(pulumiHome, "plugins", `resource-${name}-v${readTable(name).version}`);
    mkdirSync(folder, { recursive: true });
    const program = join(import.meta.dirname, "main.ts");
    writeFileSync(
      join(folder, `pulumi-resource-${name}`),
      `#!/bin/sh\nexec "${process.execPath}" "${program}" ${name} "$@"\n`,
      { mode: 0o755 },
    );
  }
}
