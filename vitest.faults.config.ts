import { defineConfig } from "vitest/config";

/** Faults on real processes, and the long proofs: what takes minutes and is not for every change. */
export default defineConfig({
  test: {
    include: ["tests/faults/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    // Of tests that wait a real minute side by side.
    maxConcurrency: 8,
    testTimeout: 600_000,
    hookTimeout: 120_000,
    globalSetup: ["tests/support/postgres-server.ts"],
    reporters: ["default"],
  },
});
