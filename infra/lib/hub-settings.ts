// The settings of a hub's compose file that depend on the stack: what to collect, which machine an edge has
// to come from, and on a small machine the limits that fit it. What is not named has the file's default,
// which is the A1's.
import type { HubConfig } from "../config.ts";
import { stagingTag, TAGS, type Tag } from "./names.ts";

/** The tag of the machine that an edge runs on; an edge of another name is not bound to a machine. */
const EDGE_TAGS: Readonly<Record<string, Tag>> = {
  kis: TAGS.edgeKis,
  kiwoom: TAGS.edgeKiwoom,
  news: TAGS.edgeNews,
  home: TAGS.home,
};

/** For 1 GB and an eighth of a core that may burst: no archive either, nobody empties its spool. */
const MICRO = {
  TICKHUB_CACHE_SIZE: "256MB",
  TICKHUB_DATABASE_CPUS: "1.0",
  TICKHUB_DATABASE_MEMORY: "448m",
  TICKHUB_HUB_CPUS: "0.5",
  TICKHUB_HUB_MEMORY: "320m",
  TICKHUB_MAINTENANCE_MEM: "32MB",
  TICKHUB_MAX_WAL: "512MB",
  TICKHUB_MIN_WAL: "128MB",
  TICKHUB_SHARED_BUFFERS: "128MB",
  TICKHUB_WAL_ARCHIVE: "off",
  TICKHUB_WORK_MEM: "4MB",
};

/** @returns settings by name, for the release */
export function hubSettings(
  config: Pick<HubConfig, "app" | "staging" | "vm">,
): Record<string, string> {
  const { app, staging, vm } = config;
  const tagged = app.edges.flatMap((edge) => {
    const tag = EDGE_TAGS[edge];
    return tag ? [`${edge}=${staging ? stagingTag(tag) : tag}`] : [];
  });
  return {
    TICKHUB_SYMBOLS: app.symbols.join(","),
    TICKHUB_ACCOUNTS: app.accounts.join(","),
    TICKHUB_EDGE_TAGS: tagged.join(","),
    ...(app.brokers === "simulated" ? { TICKHUB_BROKERS: app.brokers } : {}),
    ...(app.retainDays > 0 ? { TICKHUB_RETAIN_DAYS: String(app.retainDays) } : {}),
    ...(vm.shape === "VM.Standard.E2.1.Micro" ? MICRO : {}),
  };
}
