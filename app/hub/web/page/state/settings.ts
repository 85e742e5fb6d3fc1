// What this reader chose: language, scheme, colours of rise and fall. Kept in this browser; until something is
// chosen, the browser's language and the system's scheme decide.
import { computed, effect, signal } from "@preact/signals";

export const LANGUAGES = ["en", "ko"] as const;
export type Language = (typeof LANGUAGES)[number];
export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
/** Red rises and blue falls in Seoul; green rises and red falls in New York. */
export const COLOURS = ["seoul", "newyork"] as const;
export type Colours = (typeof COLOURS)[number];

const KEY = "tickhub.";

/** A browser may refuse storage; then a choice lasts as long as the page. */
function kept<T extends string>(name: string, allowed: readonly T[]): T | null {
  try {
    const value = localStorage.getItem(KEY + name) as T | null;
    return value !== null && allowed.includes(value) ? value : null;
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(KEY + name, value);
  } catch {
    // As above.
  }
}

const spoken: Language = navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";

export const language = signal<Language>(kept("language", LANGUAGES) ?? spoken);
export const theme = signal<Theme>(kept("theme", THEMES) ?? "system");
const chosenColours = signal<Colours | null>(kept("colours", COLOURS));
/** Korean readers expect Seoul's, unless they chose. */
export const colours = computed<Colours>(
  () => chosenColours.value ?? (language.value === "ko" ? "seoul" : "newyork"),
);

export function chooseLanguage(value: Language): void {
  language.value = value;
  keep("language", value);
}

export function chooseTheme(value: Theme): void {
  theme.value = value;
  keep("theme", value);
}

export function chooseColours(value: Colours): void {
  chosenColours.value = value;
  keep("colours", value);
}

const darkness = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(darkness.matches);
darkness.addEventListener("change", ({ matches }) => (systemDark.value = matches));
export const isDark = computed(() =>
  theme.value === "system" ? systemDark.value : theme.value === "dark",
);

effect(() => {
  const { documentElement: root } = document;
  root.lang = language.value;
  root.dataset["theme"] = isDark.value ? "dark" : "light";
  root.dataset["colours"] = colours.value;
});
