// How the page becomes the files that the hub serves (scripts/page.mjs calls it). Promises: nothing inline and
// nothing from elsewhere, because the hub's content security policy allows neither.
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2023",
    // A data: address would be refused by the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    license: { fileName: "licenses.md" },
  },
});
