// The dialog of actions: unlock with the admin token, choose, say why, confirm, and read what was done.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Act, ActResult } from "../../../../shared/web-api.ts";
import { messages } from "../messages/messages.ts";
import { isUnlocked, lock, openActs, perform, session, unlock, wished } from "../state/act.ts";
import type { ActWish } from "../state/act.ts";
import type { Answer } from "../state/api.ts";

const REASON_LETTERS_MIN = 10;

export function ActDialog() {
  const t = messages.value.act;
  const dialog = useRef<HTMLDialogElement>(null);
  const wish = wished.value;
  useEffect(() => {
    if (wish && !dialog.current?.open) dialog.current?.showModal();
    if (!wish) dialog.current?.close();
  }, [wish]);
  return (
    <dialog ref={dialog} aria-labelledby="act-title" onClose={() => (wished.value = null)}>
      <h2 id="act-title">{t.title}</h2>
      {wish && <Inside wish={wish} />}
      <form method="dialog">
        <button type="submit">{t.close}</button>
      </form>
    </dialog>
  );
}

function Inside({ wish }: { wish: ActWish }) {
  const t = messages.value.act;
  if (session.value === null) return <p>{messages.value.connection.connecting}</p>;
  if (!session.value.actions) return <p class="quiet">{t.readOnly}</p>;
  if (!isUnlocked.value) return <Unlock />;
  if (wish.wish === "menu") return <Menu />;
  return <Confirm wish={wish} />;
}

function Unlock() {
  const t = messages.value.act;
  const given = useSignal("");
  return (
    <form
      class="act"
      onSubmit={(event) => {
        event.preventDefault();
        unlock(given.value);
      }}
    >
      <label>
        {t.token}
        <input
          type="password"
          autocomplete="off"
          value={given.value}
          onInput={({ currentTarget }) => (given.value = currentTarget.value)}
        />
      </label>
      <p class="quiet">{t.tokenNote}</p>
      <button type="submit" class="primary" disabled={given.value.trim() === ""}>
        {t.unlock}
      </button>
    </form>
  );
}

function Menu() {
  const t = messages.value.act;
  return (
    <div class="act">
      <button type="button" onClick={() => openActs({ wish: "advance" })}>
        {t.advance}…
      </button>
      <button type="button" onClick={() => openActs({ wish: "rollback" })}>
        {t.rollback}…
      </button>
      <button type="button" onClick={lock}>
        {t.lock}
      </button>
    </div>
  );
}

function Confirm({ wish }: { wish: Exclude<ActWish, { wish: "menu" }> }) {
  const t = messages.value.act;
  const reason = useSignal("");
  const force = useSignal(false);
  const isBusy = useSignal(false);
  const answer = useSignal<Answer<ActResult> | null>(null);
  const title = wish.wish === "release" ? t.release(wish.account) : t[wish.wish];
  const submit = async (event: Event) => {
    event.preventDefault();
    isBusy.value = true;
    answer.value = await perform(actOf(wish, reason.value.trim(), force.value));
    isBusy.value = false;
  };
  return (
    <form class="act" onSubmit={(event) => void submit(event)}>
      <h3>{title}</h3>
      <label>
        {t.reason}
        <input
          value={reason.value}
          onInput={({ currentTarget }) => (reason.value = currentTarget.value)}
        />
      </label>
      {wish.wish === "advance" && (
        <label class="check">
          <input
            type="checkbox"
            checked={force.value}
            onChange={({ currentTarget }) => (force.value = currentTarget.checked)}
          />
          {t.force}
        </label>
      )}
      <button
        type="submit"
        class="primary"
        disabled={isBusy.value || reason.value.trim().length < REASON_LETTERS_MIN}
      >
        {isBusy.value ? t.working : t.confirm}
      </button>
      {answer.value && <Outcome answer={answer.value} />}
    </form>
  );
}

function actOf(wish: Exclude<ActWish, { wish: "menu" }>, reason: string, force: boolean): Act {
  if (wish.wish === "advance") return { action: "phase.advance", force, reason };
  if (wish.wish === "rollback") return { action: "phase.rollback", reason };
  return { action: "lease.release", account: wish.account, reason };
}

function Outcome({ answer }: { answer: Answer<ActResult> }) {
  const t = messages.value.act;
  const lines = answer.ok ? answer.value.lines : [answer.hint, ...(answer.problems ?? [])];
  return (
    <div role="status" class={answer.ok ? "note good" : "note bad"}>
      <b>{answer.ok ? t.done : `${t.refused}: ${answer.code}`}</b>
      {lines.filter(Boolean).map((line) => (
        <p key={line}>{line}</p>
      ))}
    </div>
  );
}
