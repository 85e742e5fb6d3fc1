// An incoming webhook as Slack has them (docs.slack.dev, "Sending messages using incoming webhooks"), and as
// Mattermost, Discord (`…/slack`) and others take them: `{"text":"…"}` is posted, 200 `ok` is the answer. 429 has
// `Retry-After` in seconds; 400 is a message that is not wanted (`invalid_payload`, `no_text`), 403, 404 and 410 a
// webhook that is no more (`action_prohibited`, `no_service`, `channel_is_archived`). The address is the secret.
import type { Clock } from "../shared/clock.ts";
import { codeOf } from "../shared/errors.ts";
import { exchange } from "../shared/http-request.ts";
import type { Messenger, Outcome } from "./channel.ts";

/** Slack cuts at 40,000; others take less, and nobody reads more. */
const CHARS_MAX = 4_000;
const ANSWER_MS = 15_000;
const ANSWER_BYTES_MAX = 64 * 1024;

export class Slack implements Messenger {
  readonly name = "slack";
  readonly charsMax = CHARS_MAX;
  readonly #url: string;
  readonly #clock: Clock;

  constructor(url: string, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
  }

  async send(text: string): Promise<Outcome> {
    try {
      const reply = await exchange({
        url: this.#url,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ text: escaped(text) }),
        clock: this.#clock,
        timeoutMs: ANSWER_MS,
        replyBytesMax: ANSWER_BYTES_MAX,
      });
      return outcomeOf(reply.status, reply.text, reply.headers.get("retry-after"));
    } catch (error) {
      const code = codeOf(error);
      const reason = code === "Error" ? (error as Error).message : code;
      return { name: "later", code: "CHANNEL_UNREACHABLE", reason, afterMs: null };
    }
  }
}

function outcomeOf(status: number, body: string, retryAfter: string | null): Outcome {
  if (status >= 200 && status < 300) return { name: "sent" };
  const reason = `${status} ${body}`.slice(0, 200);
  if (status === 429) {
    const seconds = Number(retryAfter ?? "1");
    const afterMs = Number.isFinite(seconds) ? seconds * 1_000 : 1_000;
    return { name: "later", code: "CHANNEL_BUSY", reason, afterMs };
  }
  if (status >= 500) return { name: "later", code: "CHANNEL_UNREACHABLE", reason, afterMs: null };
  if (status === 400) return { name: "never", code: "CHANNEL_REFUSED", reason };
  return { name: "refused", code: "CHANNEL_REFUSED", reason };
}

/** The three characters that Slack's text takes for its own. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
