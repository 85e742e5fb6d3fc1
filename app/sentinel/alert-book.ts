// Decides when somebody is called: what is wrong has to last, what is right has to last, and nobody is told the
// same twice without need. Pure: both clocks are arguments, ids come from outside. Bounded: `entriesMax` alerts.
//   (nothing) --breach--> pending --for so long--> raised --right for so long--> ended --an hour--> (nothing)
//   pending --right, or nothing to be seen--> (nothing)
// An alert that comes and goes has to be right for twice as long each time before it counts as over.
import type { Alert, Severity } from "../shared/alerts.ts";
import { ALERT_TEXT_MAX } from "../shared/alerts.ts";
import type { Breach, Language, Rule, Verdict } from "./rule.ts";
import { HOUR, MINUTE } from "./rule.ts";

export interface Now {
  wallMs: number;
  monoMs: number;
}

/** What is to be told. worse: it became critical. still: nobody has acknowledged it. */
export interface Notice {
  kind: "raised" | "worse" | "still" | "ended";
  alert: Alert;
  /** What gives it back: the last word of the message. */
  code: string;
}

type State =
  | { name: "pending"; sinceMs: number; sinceWallMs: number }
  | { name: "raised"; rightMs: number | null; tellMs: number; stepMs: number; isTold: boolean }
  | { name: "ended"; atMs: number };

interface Entry {
  key: string;
  rule: string;
  state: State;
  alert: Alert | null;
  code: string;
  /** When it was raised lately; monotonic. */
  raises: number[];
}

export interface AlertBookOptions {
  language: Language;
  rules: Readonly<Record<string, Rule>>;
  mintId: () => string;
  mintCode: () => string;
  entriesMax?: number;
}

const ENTRIES_MAX = 200;
/** How long an end is remembered, to see that it comes and goes; and the longest it then has to be right. */
const MEMORY_MS = HOUR;
const CLEAR_MS_MAX = 30 * MINUTE;
const REPEAT_MS_MAX = 24 * HOUR;

export class AlertBook {
  readonly #options: AlertBookOptions;
  readonly #entries = new Map<string, Entry>();
  /** Changed since `changes` was asked, by id. */
  readonly #changed = new Map<string, Alert>();
  #overflow = 0;

  constructor(options: AlertBookOptions) {
    this.#options = options;
  }

  /**
   * Takes the verdicts of one look. In maintenance (`isQuiet`) nothing is told but an end of what was told; what
   * still lasts when it is over is told then.
   */
  look(verdicts: ReadonlyMap<string, Verdict>, now: Now, isQuiet = false): Notice[] {
    const notices: Notice[] = [];
    for (const [rule, { breaches, isBlind }] of verdicts) {
      for (const breach of breaches) this.#wrong(rule, breach, now, notices);
      const wrong = new Set(breaches.map(({ subject }) => keyOf(rule, subject)));
      for (const entry of this.#of(rule)) {
        if (wrong.has(entry.key)) continue;
        if (isBlind?.(subjectIn(entry))) this.#unseen(entry);
        else this.#right(entry, now, notices);
      }
    }
    this.#forget(now);
    if (!isQuiet) this.#tell(now, notices);
    return notices;
  }

  /** Somebody knows of it: it is not repeated. Null: no alert that stands has this code. */
  acknowledge(code: string, now: Now): Alert | null {
    const wanted = code.trim().toUpperCase();
    const found = [...this.#entries.values()].find(
      (entry) => entry.code === wanted && entry.state.name === "raised",
    );
    if (!found?.alert) return null;
    if (found.alert.acknowledgedMs === null) this.#set(found, { acknowledgedMs: now.wallMs });
    return found.alert;
  }

  /** Goes on from alerts of the process before: they were told, and are neither told nor raised again. */
  adopt(open: readonly Alert[], now: Now): void {
    for (const alert of open) {
      const key = keyOf(alert.rule, alert.subject);
      const rule = this.#options.rules[alert.rule];
      // Raised anew meanwhile, or of a rule that is no more: the old one has ended.
      if (!rule || this.#entries.get(key)?.state.name === "raised") {
        this.#changed.set(alert.id, { ...alert, endedMs: now.wallMs });
        continue;
      }
      this.#entries.set(key, {
        ...{ key, rule: alert.rule, alert, code: this.#options.mintCode() },
        raises: [now.monoMs],
        state: raisedState(rule, now, true),
      });
    }
  }

  /** Those that stand, oldest first. */
  standing(): Alert[] {
    return [...this.#entries.values()]
      .flatMap(({ state, alert }) => (state.name === "raised" && alert ? [alert] : []))
      .sort((one, other) => one.raisedMs - other.raisedMs);
  }

  /** True while something may change soon: a look is due sooner. */
  isUnsure(): boolean {
    return [...this.#entries.values()].some(
      ({ state }) =>
        state.name === "pending" || (state.name === "raised" && state.rightMs !== null),
    );
  }

  /** Alerts that changed since the last call; handed back with `again` when nobody took them. */
  changes(limit: number): Alert[] {
    const taken = [...this.#changed.values()].slice(0, limit);
    for (const { id } of taken) this.#changed.delete(id);
    return taken;
  }

  again(alerts: readonly Alert[]): void {
    for (const alert of alerts) {
      if (!this.#changed.has(alert.id)) this.#changed.set(alert.id, alert);
    }
    for (const id of this.#changed.keys()) {
      if (this.#changed.size <= this.#entriesMax()) return;
      this.#changed.delete(id);
    }
  }

  /** Breaches that found no room. */
  get overflow(): number {
    return this.#overflow;
  }

  #entriesMax(): number {
    return this.#options.entriesMax ?? ENTRIES_MAX;
  }

  #of(rule: string): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.rule === rule);
  }

  #wrong(rule: string, breach: Breach, now: Now, notices: Notice[]): void {
    const key = keyOf(rule, breach.subject);
    let entry = this.#entries.get(key);
    if (!entry) {
      if (this.#entries.size >= this.#entriesMax()) {
        this.#overflow += 1;
        return;
      }
      entry = { key, rule, state: pendingState(now), alert: null, code: "", raises: [] };
      this.#entries.set(key, entry);
    }
    if (entry.state.name === "raised") {
      entry.state.rightMs = null;
      this.#renew(entry, breach, notices);
      return;
    }
    const pending = entry.state.name === "pending" ? entry.state : pendingState(now);
    entry.state = pending;
    if (now.monoMs - pending.sinceMs < this.#options.rules[rule]!.forMs) return;
    this.#raise(entry, breach, pending.sinceWallMs, now);
  }

  #raise(entry: Entry, breach: Breach, raisedMs: number, now: Now): void {
    const { mintId, mintCode, rules } = this.#options;
    entry.code = mintCode();
    entry.raises.push(now.monoMs);
    entry.state = raisedState(rules[entry.rule]!, now, false);
    entry.alert = {
      id: mintId(),
      rule: entry.rule,
      subject: breach.subject.slice(0, 100),
      severity: breach.severity,
      text: this.#textOf(breach),
      raisedMs,
      endedMs: null,
      acknowledgedMs: null,
    };
    this.#changed.set(entry.alert.id, entry.alert);
  }

  /** Its words and figures are of now; worse is told, better is not. */
  #renew(entry: Entry, breach: Breach, notices: Notice[]): void {
    const before = entry.alert!;
    const severity: Severity = before.severity === "critical" ? "critical" : breach.severity;
    const text = this.#textOf(breach);
    if (text !== before.text) entry.alert = { ...before, text };
    if (severity === before.severity) return;
    this.#set(entry, { severity, acknowledgedMs: null });
    if (isTold(entry)) notices.push({ kind: "worse", alert: entry.alert!, code: entry.code });
  }

  #right(entry: Entry, now: Now, notices: Notice[]): void {
    const { state } = entry;
    if (state.name === "pending") this.#drop(entry);
    if (state.name !== "raised") return;
    state.rightMs ??= now.monoMs;
    const { clearMs } = this.#options.rules[entry.rule]!;
    const steady = Math.min(clearMs * 2 ** (entry.raises.length - 1), CLEAR_MS_MAX);
    if (now.monoMs - state.rightMs < Math.max(clearMs, steady)) return;
    this.#set(entry, { endedMs: now.wallMs });
    if (isTold(entry)) notices.push({ kind: "ended", alert: entry.alert!, code: entry.code });
    entry.state = { name: "ended", atMs: now.monoMs };
  }

  /** Nothing is known of it: it does not begin, and does not end. */
  #unseen(entry: Entry): void {
    if (entry.state.name === "pending") this.#drop(entry);
    if (entry.state.name === "raised") entry.state.rightMs = null;
  }

  /** A breach that did not last; that it came before is remembered. */
  #drop(entry: Entry): void {
    const last = entry.raises.at(-1);
    if (last === undefined) this.#entries.delete(entry.key);
    else entry.state = { name: "ended", atMs: last };
  }

  #forget(now: Now): void {
    for (const entry of this.#entries.values()) {
      const { state } = entry;
      entry.raises = entry.raises.filter((atMs) => now.monoMs - atMs < MEMORY_MS);
      if (state.name === "ended" && entry.raises.length === 0) this.#entries.delete(entry.key);
    }
  }

  /** New ones, and those that nobody has acknowledged for too long. */
  #tell(now: Now, notices: Notice[]): void {
    for (const entry of this.#entries.values()) {
      const { state, code } = entry;
      if (state.name !== "raised" || now.monoMs < state.tellMs) continue;
      const isFirst = !state.isTold;
      if (!isFirst && entry.alert!.acknowledgedMs !== null) continue;
      // Right already, and over in a moment: after a maintenance that is no news, and an old one needs no word.
      if (state.rightMs !== null) continue;
      if (!isFirst) {
        this.#set(entry, { severity: "critical" });
        state.stepMs = Math.min(state.stepMs * 2, REPEAT_MS_MAX);
      }
      state.isTold = true;
      state.tellMs = now.monoMs + state.stepMs;
      notices.push({ kind: isFirst ? "raised" : "still", alert: entry.alert!, code });
    }
  }

  #set(entry: Entry, fields: Partial<Alert>): void {
    entry.alert = { ...entry.alert!, ...fields };
    this.#changed.set(entry.alert.id, entry.alert);
  }

  #textOf({ words }: Breach): string {
    return words[this.#options.language].slice(0, ALERT_TEXT_MAX);
  }
}

function keyOf(rule: string, subject: string): string {
  return `${rule} ${subject.slice(0, 100)}`;
}

function subjectIn({ key, rule }: Entry): string {
  return key.slice(rule.length + 1);
}

function isTold({ state }: Entry): boolean {
  return state.name === "raised" && state.isTold;
}

function pendingState({ monoMs, wallMs }: Now): State & { name: "pending" } {
  return { name: "pending", sinceMs: monoMs, sinceWallMs: wallMs };
}

function raisedState({ repeatMs }: Rule, { monoMs }: Now, wasTold: boolean): State {
  const tellMs = wasTold ? monoMs + repeatMs : monoMs;
  return { name: "raised", rightMs: null, tellMs, stepMs: repeatMs, isTold: wasTold };
}
