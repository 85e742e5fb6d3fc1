import { defineConfig } from "vitest/config";

/** Infrastructure: plans under mocks, and the hub VM's own files tried where a VM would run them. No database. */
export default defineConfig({
  test: {
    include: ["tests/infra/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    // The first run makes a root filesystem to try the VM's boot in.
    hookTimeout: 900_000,
    reporters: ["default"],
  },
});
