// `tickhub token EDGE`: a fresh token for an edge and its hash for the hub. Nothing is stored: the token is
// printed once, and whoever loses it makes another.
import { EDGE_NAME } from "../shared/config.ts";
import { TickhubError } from "../shared/errors.ts";
import { hashOfToken, newToken } from "../shared/token.ts";
import { printJson } from "./output.ts";

export function token(edge: string, options: { json?: boolean }): number {
  if (!EDGE_NAME.test(edge)) {
    const problem = `${edge} is not a name of an edge: 1 to 40 of a-z, 0-9 and -`;
    throw new TickhubError("USAGE", { problem });
  }
  const fresh = newToken();
  const hash = hashOfToken(fresh);
  if (options.json) printJson({ edge, token: fresh, hash });
  else
    process.stdout.write(
      [
        `At the edge:  TICKHUB_EDGE_ID=${edge} TICKHUB_EDGE_TOKEN=${fresh}`,
        `At the hub:   TICKHUB_EDGE_TOKENS=${edge}=${hash}`,
        "The hub's setting has all edges, separated by commas. The token is not shown again.\n",
      ].join("\n"),
    );
  return 0;
}
