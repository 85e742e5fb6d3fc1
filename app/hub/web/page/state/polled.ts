// What the hub does not push: asked again now and then while somebody looks at it.
import { signal } from "@preact/signals";
import type { ReadonlySignal } from "@preact/signals";
import { after } from "../clock.ts";
import type { Answer } from "./api.ts";
import { ask } from "./api.ts";

export interface Polled<T> {
  /** The last good answer. */
  value: ReadonlySignal<T | null>;
  /** Why there is none just now. */
  failure: ReadonlySignal<{ code: string; hint: string } | null>;
  /** Starts asking; the returned function ends it. */
  start(): () => void;
}

/** Asked at once and then each `periodMs`, not while the page is hidden. */
export function polled<T>(path: string | (() => string), periodMs: number): Polled<T> {
  const value = signal<T | null>(null);
  const failure = signal<{ code: string; hint: string } | null>(null);
  let lastText = "";
  return {
    value,
    failure,
    start() {
      let isOver = false;
      let cancel = () => {};
      const look = async () => {
        if (!document.hidden) {
          const answer: Answer<T> = await ask<T>(typeof path === "string" ? path : path());
          if (isOver) return;
          failure.value = answer.ok ? null : { code: answer.code, hint: answer.hint };
          // An answer that says the same again draws nothing.
          const text = answer.ok ? JSON.stringify(answer.value) : lastText;
          if (answer.ok && text !== lastText) value.value = answer.value;
          lastText = text;
        }
        if (!isOver) cancel = after(periodMs, () => void look());
      };
      void look();
      return () => {
        isOver = true;
        cancel();
      };
    },
  };
}
