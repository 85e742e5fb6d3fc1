// The page's words in the language that was chosen.
import { computed } from "@preact/signals";
import { language } from "../state/settings.ts";
import { en } from "./en.ts";
import { ko } from "./ko.ts";

export const messages = computed(() => (language.value === "ko" ? ko : en));
