// Telegram's Bot API, as far as alerts need it (core.telegram.org/bots/api, Bot API 9): sendMessage, getMe, and
// getUpdates for commands of the one chat. Answers are `{"ok":true,"result":…}` or `{"ok":false,"error_code":429,
// "description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}`. The token is part of every
// address: no error and no log line has one.
import { z } from "zod";
import type { Clock } from "../shared/clock.ts";
import { codeOf } from "../shared/errors.ts";
import { exchange } from "../shared/http-request.ts";
import type { Messenger, Outcome } from "./channel.ts";

/** sendMessage: "1-4096 characters after entities parsing". */
const CHARS_MAX = 4_096;
const ANSWER_MS = 15_000;
const ANSWER_BYTES_MAX = 256 * 1024;
const UPDATES_MAX = 20;

const answerSchema = z.object({
  ok: z.boolean(),
  description: z.string().optional(),
  parameters: z.object({ retry_after: z.number().optional() }).optional(),
  result: z.unknown().optional(),
});
type Answer = z.infer<typeof answerSchema>;

const updateSchema = z.object({
  update_id: z.number(),
  message: z
    .object({
      text: z.string().optional(),
      chat: z.object({ id: z.number(), username: z.string().optional() }),
    })
    .optional(),
});

export interface TelegramOptions {
  /** `https://api.telegram.org` */
  url: string;
  token: string;
  /** The chat's number, or `@channel`. */
  chat: string;
  clock: Clock;
}

export class Telegram implements Messenger {
  readonly name = "telegram";
  readonly charsMax = CHARS_MAX;
  readonly #options: TelegramOptions;
  #offset = 0;

  constructor(options: TelegramOptions) {
    this.#options = options;
  }

  async send(text: string): Promise<Outcome> {
    return await this.#call("sendMessage", {
      chat_id: this.#options.chat,
      text,
      link_preview_options: { is_disabled: true },
    });
  }

  /** Whether the token is a bot's. */
  async check(): Promise<Outcome> {
    return await this.#call("getMe", {});
  }

  /** What was written to the bot in the chat since the last call; nothing when it could not be asked. */
  async commands(): Promise<string[]> {
    const asked = {
      offset: this.#offset,
      timeout: 0,
      limit: UPDATES_MAX,
      allowed_updates: ["message"],
    };
    const answer = await this.#ask("getUpdates", asked);
    if (!("ok" in answer) || !answer.ok || !Array.isArray(answer.result)) return [];
    const texts: string[] = [];
    for (const one of answer.result) {
      const update = updateSchema.safeParse(one).data;
      if (!update) continue;
      this.#offset = Math.max(this.#offset, update.update_id + 1);
      const { message } = update;
      // Anybody may write to a bot.
      if (message?.text !== undefined && this.#isOurs(message.chat)) texts.push(message.text);
    }
    return texts;
  }

  #isOurs({ id, username }: { id: number; username?: string | undefined }): boolean {
    const { chat } = this.#options;
    return chat === String(id) || (username !== undefined && chat === `@${username}`);
  }

  async #call(method: string, body: object): Promise<Outcome> {
    const answer = await this.#ask(method, body);
    if (!("ok" in answer)) return answer;
    if (answer.ok) return { name: "sent" };
    return refusalOf(answer);
  }

  async #ask(method: string, body: object): Promise<(Answer & { status: number }) | Outcome> {
    const { url, token, clock } = this.#options;
    try {
      const { status, text } = await exchange({
        url: `${url}/bot${token}/${method}`,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        clock,
        timeoutMs: ANSWER_MS,
        replyBytesMax: ANSWER_BYTES_MAX,
      });
      const answer = answerSchema.safeParse(parsed(text)).data;
      return answer ? { ...answer, status } : unreachable(`HTTP ${status}, no answer of the API's`);
    } catch (error) {
      const code = codeOf(error);
      return unreachable(code === "Error" ? (error as Error).message : code);
    }
  }
}

function refusalOf({ status, description = "", parameters }: Answer & { status: number }): Outcome {
  const reason = `${status} ${description}`.slice(0, 200);
  if (status === 429) {
    const afterMs = (parameters?.retry_after ?? 1) * 1_000;
    return { name: "later", code: "CHANNEL_BUSY", reason, afterMs };
  }
  if (status >= 500) return unreachable(reason);
  // 401 Unauthorized, 403 "bot was blocked by the user", 404 for a token of no bot, 400 "chat not found".
  if (status !== 400 || /chat/i.test(description)) {
    return { name: "refused", code: "CHANNEL_REFUSED", reason };
  }
  return { name: "never", code: "CHANNEL_REFUSED", reason };
}

function unreachable(reason: string): Outcome {
  return { name: "later", code: "CHANNEL_UNREACHABLE", reason, afterMs: null };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
