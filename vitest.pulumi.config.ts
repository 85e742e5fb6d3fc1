import { defineConfig } from "vitest/config";

/** The real Pulumi engine on simulated clouds: `npm run test:pulumi`. Builds the CLI when there is none. */
export default defineConfig({
  test: {
    include: ["tests/pulumi/**/*.test.ts"],
    pool: "forks",
    // Each `pulumi up` is itself five processes.
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 600_000,
    globalSetup: ["tests/pulumi/support/tools.ts"],
    reporters: ["default"],
  },
});
