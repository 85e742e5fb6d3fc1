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

/** Time and chance enter only through app/shared/clock.ts, so that tests and simulations own them. */
const seam = {
  files: ["app/**/*.ts"],
  ignores: ["app/shared/clock.ts"],
  rules: {
    "no-restricted-globals": [
      "error",
      ...["setTimeout", "setInterval", "setImmediate"].map((name) => ({
        name,
        message: "Take a Clock (app/shared/clock.ts) instead.",
      })),
    ],
    "no-restricted-properties": [
      "error",
      { object: "Date", property: "now", message: "Take a Clock (app/shared/clock.ts)." },
      { object: "Math", property: "random", message: "Take a Clock (app/shared/clock.ts)." },
      { object: "performance", property: "now", message: "Take a Clock (app/shared/clock.ts)." },
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
      "no-restricted-syntax": [
        "error",
        {
          selector: "TSEnumDeclaration",
          message: "A union of literals or a const table, no enums.",
        },
      ],
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: { globals: { process: "readonly", console: "readonly" } },
  },
  seam,
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
