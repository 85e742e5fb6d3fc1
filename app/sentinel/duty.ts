// The Sentinel's turn: what was seen is judged, what the book says is told by every channel, and the hub is told what
// changed. Also what people say back: acknowledged, quiet for a while, a test. Between the watcher and the channels;
// owns the book and nothing that waits for the network but the hub's line.
import { isInWindow } from "../shared/maintenance.ts";
import type { MaintenanceWindow } from "../shared/maintenance.ts";
import type { Alert } from "../shared/alerts.ts";
import type { Clock } from "../shared/clock.ts";
import type { Emit } from "../shared/events.ts";
import type { Evidence } from "../shared/evidence.ts";
import { kstDay } from "../shared/market-time.ts";
import { AlertBook } from "./alert-book.ts";
import type { Notice, Now } from "./alert-book.ts";
import type { Channel } from "./channel.ts";
import type { Command } from "./command.ts";
import type { HubLine } from "./hub-line.ts";
import { kstText, noticeText, spanText, standingText } from "./message.ts";
import type { Observation } from "./observation.ts";
import { RoundTrip } from "./round-trip.ts";
import type { Language } from "./rule.ts";
import { judgeAll, RULES } from "./rules.ts";

export interface DutyOptions {
  language: Language;
  /** In which alerts are held back. */
  windows: readonly MaintenanceWindow[];
  /** Minute of Korea's day at which it says that all is well; null: never. */
  dailyMinute: number | null;
  channels: readonly Channel[];
  line: HubLine;
  clock: Clock;
  emit: Emit;
  mintId: () => string;
  mintCode: () => string;
}

/** What the Sentinel says of itself. */
export interface DutyStatus {
  standing: Alert[];
  quietUntilMs: number | null;
  channels: { name: string; waiting: number; failing: string | null }[];
  door: string | null;
  overflow: number;
}

const MINUTE_MS = 60_000;
const KST_MS = 9 * 3_600_000;
const DAY_MINUTES = 1_440;

export class Duty {
  readonly #options: DutyOptions;
  readonly #book: AlertBook;
  readonly #trip = new RoundTrip();
  /** Alone, the hub's line would not know what is on its way. */
  #telling: Promise<void> = Promise.resolve();
  #quietUntilMs: number | null = null;
  #toldOn: number;
  #raised = 0;

  constructor(options: DutyOptions) {
    const { language, mintId, mintCode, clock } = options;
    this.#options = options;
    this.#book = new AlertBook({ language, rules: RULES, mintId, mintCode });
    this.#toldOn = this.#dueDay(clock.nowMs());
  }

  /** One look's worth of work. Never throws. */
  async turn(looked: Omit<Observation, "channels" | "door">): Promise<void> {
    const { channels, line } = this.#options;
    const seen: Observation = {
      ...looked,
      channels: new Map(channels.map((channel) => [channel.name, channel.failing()])),
      door: line.failing(),
    };
    const now = this.#now();
    const notices = this.#book.look(judgeAll(seen), now, this.#isQuiet(now));
    this.#tell(notices);
    const failed = this.#trip.expire(now);
    if (failed) line.prove(failed);
    this.#tellDaily(seen, now);
    await this.#report();
  }

  /** True while something may change soon. */
  isUnsure(): boolean {
    return this.#book.isUnsure();
  }

  /** True while somebody may answer: the messenger is worth asking more often. */
  isAwaiting(): boolean {
    return this.#trip.isOpen || this.#book.standing().some((one) => one.acknowledgedMs === null);
  }

  /** Does what a person said; returns the answer in words, null for a code of no alert. */
  async obey(command: Command, by: string): Promise<string | null> {
    const isKorean = this.#options.language === "ko";
    const now = this.#now();
    switch (command.name) {
      case "ack":
        return await this.#acknowledge(command.code, by);
      case "quiet": {
        this.#quietUntilMs = now.monoMs + command.minutes * MINUTE_MS;
        const until = kstText(now.wallMs + command.minutes * MINUTE_MS);
        this.#options.emit({ event: "maintenance_moved", until, reason: command.reason });
        return isKorean
          ? `${until} KST까지 경보를 보류합니다.`
          : `Alerts are held back until ${until} KST.`;
      }
      case "loud":
        this.#quietUntilMs = null;
        this.#options.emit({ event: "maintenance_moved", until: "", reason: "" });
        return isKorean ? "경보를 다시 보냅니다." : "Alerts are told again.";
      case "status":
        return standingText(this.#book.standing(), this.#options.language);
    }
  }

  /** Sends a test alert by every channel; its code is in the message and nowhere else. */
  test(): void {
    const { channels, language, mintCode } = this.#options;
    const code = mintCode();
    const text = this.#trip.start(code, this.#now(), language);
    for (const channel of channels) {
      channel.push(text, () => this.#trip.taken(code, channel.name));
    }
  }

  /** Whether a test waits for its code, and which channels have told it. */
  tested(): { isOpen: boolean; reached: string[] } {
    return { isOpen: this.#trip.isOpen, reached: this.#trip.reached };
  }

  /** Says something that is no alert. */
  say(text: string): void {
    for (const channel of this.#options.channels) channel.push(text);
  }

  status(): DutyStatus {
    const { channels, line } = this.#options;
    const leftMs = this.#quietUntilMs === null ? 0 : this.#quietUntilMs - this.#now().monoMs;
    return {
      standing: this.#book.standing(),
      quietUntilMs: leftMs > 0 ? this.#now().wallMs + leftMs : null,
      channels: channels.map((channel) => ({
        name: channel.name,
        waiting: channel.waiting,
        failing: channel.failing()?.code ?? null,
      })),
      door: line.failing()?.code ?? null,
      overflow: this.#book.overflow,
    };
  }

  #now(): Now {
    const { clock } = this.#options;
    return { wallMs: clock.nowMs(), monoMs: clock.monoMs() };
  }

  #isQuiet({ wallMs, monoMs }: Now): boolean {
    if (this.#quietUntilMs !== null && monoMs >= this.#quietUntilMs) this.#quietUntilMs = null;
    return this.#quietUntilMs !== null || isInWindow(this.#options.windows, wallMs);
  }

  #tell(notices: readonly Notice[]): void {
    const { emit, language } = this.#options;
    if (notices.length === 0) return;
    for (const { kind, alert } of notices) {
      const { rule, subject, severity, id, text, raisedMs, endedMs } = alert;
      if (kind === "ended") {
        emit({
          event: "alert_ended",
          rule,
          subject,
          id,
          lastedMs: (endedMs ?? raisedMs) - raisedMs,
        });
      } else emit({ event: "alert_raised", rule, subject, severity, id, text });
      if (kind === "raised") this.#raised += 1;
    }
    this.say(notices.map((notice) => noticeText(notice, language, RULES)).join("\n\n"));
  }

  async #acknowledge(code: string, by: string): Promise<string | null> {
    const { emit, line, language } = this.#options;
    const now = this.#now();
    const proof: Evidence | null = this.#trip.acknowledge(code, by, now);
    if (proof) {
      line.prove(proof);
      emit({ event: "alert_acknowledged", rule: "TEST", subject: "test", id: code, by });
      await this.#report();
      return language === "ko"
        ? `시험 성공: ${proof.summary}.`
        : `The test passed: ${proof.summary}.`;
    }
    const alert = this.#book.acknowledge(code, now);
    if (!alert) return null;
    const { rule, subject, id } = alert;
    emit({ event: "alert_acknowledged", rule, subject, id, by });
    await this.#report();
    return language === "ko"
      ? `${rule} ${subject} 확인했습니다. 끝나면 알려 드립니다.`
      : `${rule} ${subject} is acknowledged; you will hear when it is over.`;
  }

  /** What the hub does not take is kept; at its first answer it says what still stands. One at a time. */
  async #report(): Promise<void> {
    this.#telling = this.#telling.then(async () => {
      const changed = this.#book.changes(CHANGES_MAX);
      const { left, open } = await this.#options.line.tell(changed);
      this.#book.again(left);
      this.#book.adopt(open, this.#now());
    });
    await this.#telling;
  }

  /** Once a day, and not for a time that had passed when this process began. */
  #tellDaily({ hub, edges }: Observation, { wallMs }: Now): void {
    if (this.#options.dailyMinute === null) return;
    const day = this.#dueDay(wallMs);
    if (day === this.#toldOn) return;
    this.#toldOn = day;
    const standing = this.#book.standing();
    const answering = [...edges.values()].filter(({ name }) => name === "seen").length;
    const isKorean = this.#options.language === "ko";
    const up = hub.name === "seen" ? spanText(hub.watch.upMs) : null;
    const head = standing.length === 0 ? "🟢" : "🟠";
    const lines = isKorean
      ? [
          `${head} Sentinel이 살아 있습니다. 허브 ${up === null ? "응답 없음" : `가동 ${up}`}, 엣지 ${answering}/${edges.size} 응답.`,
          `지난 하루 경보 ${this.#raised}건.`,
        ]
      : [
          `${head} The Sentinel lives. Hub ${up === null ? "away" : `up ${up}`}, ${answering} of ${edges.size} edges answer.`,
          `${this.#raised} alerts since yesterday.`,
        ];
    this.#raised = 0;
    this.say([...lines, standingText(standing, this.#options.language)].join("\n"));
  }

  /** The day whose word is due: today's from its minute on, before that yesterday's. */
  #dueDay(wallMs: number): number {
    const dailyMinute = this.#options.dailyMinute ?? 0;
    const minute = Math.floor((wallMs + KST_MS) / MINUTE_MS) % DAY_MINUTES;
    return kstDay(minute >= dailyMinute ? wallMs : wallMs - DAY_MINUTES * MINUTE_MS);
  }
}

/** More than the book can hold. */
const CHANGES_MAX = 1_000;
