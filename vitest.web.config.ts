import { defineConfig } from "vitest/config";

/** The page in a real Chromium, on running hubs: `npm run test:web`. */
export default defineConfig({
  test: {
    include: ["tests/web/**/*.test.ts"],
    pool: "forks",
    // What the page costs is measured, so one browser at a time.
    fileParallelism: false,
    testTimeout: 90_000,
    // Of a browser on a machine that does other things, too.
    expect: { poll: { timeout: 10_000 } },
    hookTimeout: 180_000,
    globalSetup: ["tests/support/postgres-server.ts", "tests/web/support/built-page.ts"],
    reporters: ["default"],
  },
});
