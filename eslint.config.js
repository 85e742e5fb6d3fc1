import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** Arrows between folders (ARCHITECTURE.md, "Map"): who may not import whom. */
function arrow(from, forbidden, why) {
  return {
    files: [`${from}/**/*.{ts,tsx}`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [...forbidden, "**/infra/**"].map((group) => ({
            group: [group],
            message: why,
          })),
        },
      ],
    },
  };
}

const noEnums = {
  selector: "TSEnumDeclaration",
  message: "A union of literals or a const table, no enums.",
};

const TAKE_A_CLOCK = "Take a Clock (app/shared/clock.ts).";

/**
 * Time and chance enter only through app/shared/clock.ts, so that tests and simulations own them; the page, which
 * runs in a browser, has a file of its own for them.
 */
const seam = {
  files: ["app/**/*.{ts,tsx}"],
  ignores: ["app/shared/clock.ts", "app/hub/web/page/clock.ts"],
  rules: {
    "no-restricted-globals": [
      "error",
      ...["setTimeout", "setInterval", "setImmediate"].map((name) => ({
        name,
        message: TAKE_A_CLOCK,
      })),
    ],
    "no-restricted-properties": [
      "error",
      ...[
        ["Date", "now"],
        ["Math", "random"],
        ["performance", "now"],
        ["performance", "timeOrigin"],
        ["process", "hrtime"],
        ["process", "uptime"],
        ...["globalThis", "global"].flatMap((object) =>
          ["setTimeout", "setInterval", "setImmediate", "performance"].map((property) => [
            object,
            property,
          ]),
        ),
      ].map(([object, property]) => ({ object, property, message: TAKE_A_CLOCK })),
    ],
    // Of imports and of `new Date()`, because no-restricted-imports is taken by the arrows.
    "no-restricted-syntax": [
      "error",
      noEnums,
      ...[
        "NewExpression[callee.name='Date'][arguments.length=0]",
        "CallExpression[callee.name='Date']",
        "ImportDeclaration[source.value=/^(node:)?timers/]",
        "ImportExpression[source.value=/^(node:)?timers/]",
        "ImportDeclaration[source.value=/perf_hooks$/] > ImportSpecifier[imported.name='performance']",
      ].map((selector) => ({ selector, message: TAKE_A_CLOCK })),
    ],
  },
};

/** Names of streams and holders are minted where the parts are put together, and handed on. */
const identity = {
  files: ["app/**/*.ts"],
  ignores: [
    "app/shared/clock.ts",
    "app/edge/core.ts",
    "app/hub/doors.ts",
    "app/hub/web/page/**",
    "app/edge/edge.ts",
    "app/edge/news-edge.ts",
    "app/cli/**",
    "app/store/embedded-place.ts",
    "app/sim/**",
  ],
  rules: {
    "no-restricted-syntax": [
      ...seam.rules["no-restricted-syntax"],
      ...[
        "ImportSpecifier[imported.name='randomUUID']",
        "MemberExpression[property.name='randomUUID']",
      ].map((selector) => ({
        selector,
        message: "Take it as an argument, as Outbox takes mintStream.",
      })),
    ],
  },
};

export default defineConfig(
  globalIgnores([
    "node_modules",
    ".tickhub",
    "app/hub/web/dist",
    "docs/.vitepress/{cache,dist,.temp}",
  ]),
  js.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "no-restricted-syntax": ["error", noEnums],
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: { globals: { process: "readonly", console: "readonly" } },
  },
  seam,
  identity,
  arrow(
    "app/shared",
    ["**/edge/**", "**/hub/**", "**/store/**", "**/sim/**", "**/proxy/**", "**/cli/**"],
    "shared imports nobody.",
  ),
  arrow(
    "app/store",
    ["**/edge/**", "**/hub/**", "**/sim/**", "**/proxy/**", "**/transfer/**", "**/cli/**"],
    "store imports shared only.",
  ),
  arrow(
    "app/edge",
    ["**/hub/**", "**/sim/**", "**/proxy/**", "**/cli/**", "**/sentinel/**"],
    "edge imports store and shared.",
  ),
  arrow(
    "app/hub",
    ["**/edge/**", "**/sim/**", "**/proxy/**", "**/cli/**", "**/sentinel/**"],
    "hub imports store and shared.",
  ),
  arrow(
    "app/audit",
    ["**/edge/**", "**/hub/**", "**/store/**", "**/sim/**", "**/cli/**"],
    "audit imports shared only.",
  ),
  arrow(
    "app/report",
    ["**/edge/**", "**/hub/**", "**/store/**", "**/sim/**", "**/proxy/**", "**/cli/**"],
    "report imports shared only.",
  ),
  arrow(
    "app/measure",
    ["**/edge/**", "**/hub/**", "**/sim/**", "**/proxy/**", "**/cli/**"],
    "measure imports store, report and shared.",
  ),
  arrow(
    "app/sentinel",
    ["**/edge/**", "**/hub/**", "**/store/**", "**/sim/**", "**/proxy/**", "**/cli/**"],
    "sentinel imports shared only.",
  ),
  arrow(
    "app/transfer",
    ["**/edge/**", "**/hub/**", "**/sim/**", "**/proxy/**", "**/cli/**"],
    "transfer imports store and shared.",
  ),
  arrow(
    "app/sim",
    ["**/edge/**", "**/hub/**", "**/store/**", "**/proxy/**", "**/cli/**"],
    "sim imports shared only.",
  ),
  arrow(
    "app/proxy",
    ["**/edge/**", "**/hub/**", "**/store/**", "**/sim/**", "**/cli/**"],
    "proxy imports shared only.",
  ),
  arrow(
    "infra",
    ["edge", "hub", "store", "sim", "proxy", "cli"].map((folder) => `**/app/${folder}/**`),
    "infra imports app/shared only.",
  ),
);
