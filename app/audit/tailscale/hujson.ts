// HuJSON, the language of tailnet policies: JSON with comments and trailing commas.
import type { ParseError } from "jsonc-parser";
import { parse, printParseErrorCode } from "jsonc-parser";

/** Throws SyntaxError with the place of the first mistake. */
export function parseHujson(text: string): unknown {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const first = errors[0];
  if (first) throw new SyntaxError(`${printParseErrorCode(first.error)} at ${first.offset}`);
  return value;
}
