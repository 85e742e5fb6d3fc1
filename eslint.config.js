import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** Arrows between folders (ARCHITECTURE.md, "Map"): who may not import whom. */
function arrow(from, forbidden, why) {
  return {
    files: [`app/${from}/**/*.ts`],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: forbidden.map((group) => ({ group: [group], message: why })) },
      ],
    },
  };
}

const noEnums = {
  selector: "TSEnumDeclaration",
  message: "A union of literals or a const table, no enums.",
};

const TAKE_A_CLOCK = "Take a Clock (app/shared/clock.ts).";

/** Time and chance enter only through app/shared/clock.ts, so that tests and simulations own them. */
const seam = {
  files: ["app/**/*.ts"],
  ignores: ["app/shared/clock.ts"],
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
    "app/edge/edge.ts",
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
  globalIgnores(["node_modules", ".tickhub", "app/hub/web/page"]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
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
    "shared",
    ["**/edge/**", "**/hub/**", "**/store/**", "**/sim/**", "**/cli/**"],
    "shared imports nobody.",
  ),
  arrow(
    "store",
    ["**/edge/**", "**/hub/**", "**/sim/**", "**/cli/**"],
    "store imports shared only.",
  ),
  arrow(
    "edge",
    ["**/hub/**", "**/sim/**", "**/cli/**", "**/sentinel/**"],
    "edge imports store and shared.",
  ),
  arrow(
    "hub",
    ["**/edge/**", "**/sim/**", "**/cli/**", "**/sentinel/**"],
    "hub imports store and shared.",
  ),
  arrow("sim", ["**/edge/**", "**/hub/**", "**/store/**", "**/cli/**"], "sim imports shared only."),
);
