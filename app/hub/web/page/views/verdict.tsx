// One sentence: whether all is well, in the words of `tickhub status`; under it how complete the day is.
import { computed } from "@preact/signals";
import { inWords, troublesOf } from "../../../query/verdict.ts";
import type { Trouble } from "../../../query/verdict.ts";
import { count, kstTime } from "../format.ts";
import { messages } from "../messages/messages.ts";
import { picture } from "../state/live.ts";
import type { Tone } from "./parts.tsx";

const TROUBLES_SHOWN = 4;

const told = computed(() => {
  const hub = picture.value;
  if (!hub) return null;
  const t = messages.value.verdict;
  const troubles = troublesOf(hub);
  return {
    tone: toneOf(troubles),
    words: troubles.map((trouble) => inWords(trouble, t.troubles)),
    coverage: t.coverage(hub.coverage),
    database: hub.database.ok ? "" : t.database(hub.database.code, kstTime(hub.database.sinceMs)),
  };
});

/** What only comes to its limit, or is under way, is no alarm yet. */
function toneOf(troubles: readonly Trouble[]): Tone {
  if (troubles.length === 0) return "good";
  const isMild = (one: Trouble) => one.is === "moving" || (one.is === "meter" && !one.over);
  return troubles.every(isMild) ? "warn" : "bad";
}

export function Verdict() {
  const t = messages.value.verdict;
  const now = told.value;
  if (!now) {
    return (
      <section id="verdict" class="verdict quiet" aria-label={t.label}>
        <h1>{t.waiting}</h1>
      </section>
    );
  }
  const [first = t.allWell, ...others] = now.words;
  return (
    <section id="verdict" class={`verdict ${now.tone}`} aria-label={t.label}>
      <h1>{first}</h1>
      {others.length > 0 && (
        <ul>
          {others.slice(0, TROUBLES_SHOWN).map((words) => (
            <li key={words}>{words}</li>
          ))}
          {others.length > TROUBLES_SHOWN && <li>{t.more(others.length - TROUBLES_SHOWN)}</li>}
        </ul>
      )}
      {now.database && <p id="database-away">{now.database}</p>}
      <p id="sentence">{now.coverage}</p>
      <Equation />
    </section>
  );
}

const PARTS = ["committed", "duplicate", "held", "quarantined", "lost"] as const;

/** received = committed + duplicate + held + quarantined + lost, at all times. */
function Equation() {
  const t = messages.value.ledger;
  const total = picture.value?.total;
  if (!total) return null;
  return (
    <p id="equation" class={total.isBalanced ? "" : "broken"}>
      <Term name={t.received} value={total.received} part="received" />
      {PARTS.map((part, at) => (
        <span key={part}>
          <span class="sign">{at === 0 ? "=" : "+"}</span>
          <Term name={t[part]} value={total[part]} part={part} />
        </span>
      ))}
      <span id="balance" class={`sign ${total.isBalanced ? "good-text" : "bad-text"}`}>
        {total.isBalanced ? `✓ ${t.balanced}` : `✗ ${t.unbalanced}`}
      </span>
    </p>
  );
}

function Term(props: { name: string; value: number; part: string }) {
  return (
    <span class="term">
      <b data-sum={props.part}>{count(props.value)}</b> {props.name}
    </span>
  );
}
