// Rules of who answers: the hub first, its database, the edges, and our own sight.
import type { HubWatch } from "../shared/watch.ts";
import type { Observation } from "./observation.ts";
import type { Rule } from "./rule.ts";
import { BLIND, breaches, HOUR, MINUTE, SECOND } from "./rule.ts";

/** An edge asks the hub several times a second; a hub that has just begun has heard nobody. */
export const UNHEARD_MS = 30 * SECOND;
const STARTING_MS = 60 * SECOND;
/** Who has been silent for so long was moved away. */
const LEFT_MS = 7 * 24 * HOUR;

/** What the hub shows; null while it is away, or too young to know. */
export function watchOf({ hub }: Observation): HubWatch | null {
  return hub.name === "seen" && hub.watch.upMs >= STARTING_MS ? hub.watch : null;
}

/** The same while its database answers: what it has from there is of now. */
export function booksOf(seen: Observation): HubWatch | null {
  const watch = watchOf(seen);
  return watch && watch.database === null ? watch : null;
}

/** The hub has lately heard of this edge. */
export function isHeard(watch: HubWatch | null, edge: string): boolean {
  const heard = watch?.edges.find((one) => one.edge === edge);
  return heard !== undefined && heard.seenAgeMs < UNHEARD_MS;
}

/**
 * Neither answers us nor is heard by the hub, and was there: it answered before, or the hub heard it this week. Of
 * edges that are not watched nobody can say so.
 */
export function isAway(seen: Observation, edge: string): boolean {
  const sight = seen.edges.get(edge);
  const watch = watchOf(seen);
  if (sight?.name !== "away" || isHeard(watch, edge)) return false;
  const heard = watch?.edges.find((one) => one.edge === edge);
  return sight.wasSeen || (heard !== undefined && heard.seenAgeMs < LEFT_MS);
}

/** Nothing answers, of several: more likely we are cut off than all of them dead. */
function isCutOff({ hub, edges }: Observation): boolean {
  const known = [...edges.values()].filter((sight) => sight.name === "seen" || sight.wasSeen);
  return hub.name === "away" && known.length > 0 && known.every(({ name }) => name === "away");
}

export const REACH_RULES = {
  HUB_DOWN: {
    forMs: 60 * SECOND,
    clearMs: 60 * SECOND,
    repeatMs: 30 * MINUTE,
    next: {
      en: "Look at its machine: docker ps, journalctl -u tickhub-release. Edges hold what they collect meanwhile.",
      ko: "허브 머신에서 docker ps와 journalctl -u tickhub-release를 확인하세요. 그동안 엣지가 수집분을 보관합니다.",
    },
    judge(seen) {
      if (isCutOff(seen)) return BLIND;
      const { hub } = seen;
      if (hub.name !== "away") return breaches([]);
      return breaches([
        {
          subject: "hub",
          severity: "critical",
          words: {
            en: `The hub does not answer (${hub.reason}).`,
            ko: `허브가 응답하지 않습니다 (${hub.reason}).`,
          },
        },
      ]);
    },
  },
  HUB_DATABASE: {
    forMs: 60 * SECOND,
    clearMs: 60 * SECOND,
    repeatMs: 30 * MINUTE,
    next: {
      en: "Look at the database's log and its disk: docker logs tickhub-database-1. Edges hold what they collect.",
      ko: "데이터베이스 로그와 디스크를 확인하세요: docker logs tickhub-database-1. 그동안 엣지가 수집분을 보관합니다.",
    },
    judge({ hub }) {
      if (hub.name === "away") return BLIND;
      const reason = hub.name === "unready" ? hub.reason : hub.watch.database?.code;
      if (reason === undefined) return breaches([]);
      return breaches([
        {
          subject: "hub",
          severity: "critical",
          words: {
            en: `The hub answers and does not do its work: ${reason}`,
            ko: `허브가 응답하지만 일을 하지 못합니다: ${reason}`,
          },
        },
      ]);
    },
  },
  CUT_OFF: {
    forMs: 60 * SECOND,
    clearMs: 60 * SECOND,
    repeatMs: 30 * MINUTE,
    next: {
      en: "Look at the tailnet first (admin console, the Sentinel's key), then at the machines.",
      ko: "먼저 테일넷(관리 콘솔, Sentinel 키)을 확인하고, 그다음 머신들을 확인하세요.",
    },
    judge(seen) {
      if (!isCutOff(seen)) return breaches([]);
      return breaches([
        {
          subject: "tailnet",
          severity: "critical",
          words: {
            en: `Neither the hub nor any of ${seen.edges.size} edges answers: the Sentinel may be cut off.`,
            ko: `허브와 엣지 ${seen.edges.size}개가 모두 응답하지 않습니다. Sentinel의 연결이 끊겼을 수 있습니다.`,
          },
        },
      ]);
    },
  },
  EDGE_DOWN: {
    forMs: 2 * MINUTE,
    clearMs: 60 * SECOND,
    repeatMs: 30 * MINUTE,
    next: {
      en: "Look at its service (Northflank console, or docker ps where it runs). What a killed edge held is lost and declared.",
      ko: "해당 서비스를 확인하세요 (Northflank 콘솔 또는 docker ps). 강제 종료된 엣지가 보관하던 기록은 손실로 선언됩니다.",
    },
    judge(seen) {
      if (isCutOff(seen)) return BLIND;
      return breaches(
        [...seen.edges.keys()].map((edge) =>
          isAway(seen, edge)
            ? {
                subject: edge,
                severity: "critical",
                words: {
                  en: `The edge ${edge} does not answer and the hub does not hear it.`,
                  ko: `엣지 ${edge}가 응답하지 않고 허브에도 보고하지 않습니다.`,
                },
              }
            : null,
        ),
      );
    },
  },
  EDGE_UNHEARD: {
    forMs: 2 * MINUTE,
    clearMs: 60 * SECOND,
    repeatMs: HOUR,
    next: {
      en: "The edge lives and cannot reach the hub: look at its log for uplink_closed and uplink_refused. Its outbox fills.",
      ko: "엣지는 살아 있으나 허브에 닿지 못합니다. 엣지 로그의 uplink_closed, uplink_refused를 확인하세요. 아웃박스가 차고 있습니다.",
    },
    judge(seen) {
      const watch = booksOf(seen);
      if (!watch) return BLIND;
      return breaches(
        [...seen.edges].map(([edge, { name }]) =>
          name === "seen" && !isHeard(watch, edge)
            ? {
                subject: edge,
                severity: "warning",
                words: {
                  en: `The edge ${edge} answers the Sentinel, and the hub does not hear it.`,
                  ko: `엣지 ${edge}는 Sentinel에 응답하지만 허브는 듣지 못합니다.`,
                },
              }
            : null,
        ),
      );
    },
  },
} as const satisfies Record<string, Rule>;
