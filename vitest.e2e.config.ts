import { defineConfig } from "vitest/config";

/** Images and Compose file as a deployment runs them, on a real Docker Engine: npm run test:e2e. */
export default defineConfig({
  test: {
    include: ["tests/compose/**/*.test.ts"],
    pool: "forks",
    // One machine, whose containers and listeners are counted.
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
    globalSetup: ["tests/compose/support/global-setup.ts"],
    reporters: ["default"],
  },
});
