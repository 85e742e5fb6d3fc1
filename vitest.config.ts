import { configDefaults, defineConfig } from "vitest/config";

/** Every test file runs in its own process; the ones that touch SQL each get their own database. */
export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    // They have commands of their own: npm run test:faults, test:infra, test:e2e, test:pulumi, test:metrics, test:web.
    exclude: [
      ...configDefaults.exclude,
      "tests/faults/**",
      "tests/infra/**",
      "tests/compose/**",
      "tests/pulumi/**",
      "tests/web/**",
      "tests/metrics/**",
    ],
    pool: "forks",
    // Half of the suite waits for timers and processes: two files share two cores well.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Drills wait more than they work, but two cores carry two of them, not five.
    maxConcurrency: 2,
    globalSetup: ["tests/support/postgres-server.ts"],
    reporters: ["default"],
  },
});
