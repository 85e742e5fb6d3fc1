import { defineConfig } from "vitest/config";

/** /metrics as the real Prometheus takes it, and the files that are made for it: npm run test:metrics. */
export default defineConfig({
  test: {
    include: ["tests/metrics/**/*.test.ts"],
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 180_000,
    globalSetup: ["tests/support/postgres-server.ts"],
    reporters: ["default"],
  },
});
