// Pulumi's runner hands a pack's .ts files to its own TypeScript, which refuses imports of .ts. What is
// imported from here is loaded by Node itself.
import "./index.ts";
