// Rules of the market's data: silence where something is due, leases, gaps, parity, the outboxes.
import { phaseAt } from "../shared/calendar.ts";
import type { HubWatch, WatchedAccount, WatchedEdge } from "../shared/watch.ts";
import { booksOf, isAway, isHeard, watchOf } from "./reach-rules.ts";
import type { Observation } from "./observation.ts";
import type { Breach, Rule } from "./rule.ts";
import { BLIND, breaches, HOUR, MINUTE, SECOND } from "./rule.ts";

/** With the rule's own patience, three minutes. An edge's own watch is faster, and this one is outside of it. */
const SILENT_MS = 60 * SECOND;
/** Rises of an epoch in half an hour; a roll-out with a new assignment makes two. */
const RISES_MAX = 5;
/** The broker's REST is asked within seconds, and again with patience. */
const GAP_MS = 30 * MINUTE;
/** As the gate to the cloud has them (docs/parity.md). */
const PARITY_SHARE = 0.999;
const PARITY_COVERAGE = 0.95;
/** An outbox that drains is no horizon, however near. */
const BACKLOG_MS = 30 * SECOND;
const HORIZON_S = { warning: 1_800, critical: 600 };

const percent = (share: number) => `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
const minutes = (ms: number) => `${Math.floor(ms / MINUTE)} min`;

/**
 * Symbols of the account of which trades are due at `marketMs`: the venue is in its regular session of continuous
 * trading, by a calendar that is sure of it, and neither a VI nor a halt keeps them quiet. Auctions, the hours
 * before and after, holidays and weekends have none.
 */
export function dueSymbols({ places }: WatchedAccount, marketMs: number): number {
  return Object.entries(places).reduce((sum, [venue, { symbols, quiet }]) => {
    const { session, isCertain } = phaseAt(venue, marketMs);
    const isOpen = isCertain && session?.kind === "regular" && session.continuous;
    return isOpen ? sum + Math.max(0, symbols - quiet) : sum;
  }, 0);
}

/** Who collects the account, of those the hub knows; the lease's holder first. */
function collectorOf(watch: HubWatch, { account, edge }: WatchedAccount): WatchedEdge | undefined {
  return watch.edges.find((one) => one.edge === edge && one.accounts[account] !== undefined);
}

function silenceOf(watch: HubWatch, account: WatchedAccount): Breach | null {
  if (dueSymbols(account, watch.marketMs) === 0) return null;
  const subject = account.account;
  if (account.edge === null) {
    return {
      subject,
      severity: "critical",
      words: {
        en: `Nobody holds the lease of ${subject}, and its market is open.`,
        ko: `${subject}의 리스를 가진 엣지가 없는데 장이 열려 있습니다.`,
      },
    };
  }
  const collector = collectorOf(watch, account);
  const said = collector?.accounts[subject];
  const ageMs = said?.tickAgeMs == null ? Infinity : said.tickAgeMs + collector!.seenAgeMs;
  if (ageMs < SILENT_MS) return null;
  const last = { en: Number.isFinite(ageMs) ? `for ${minutes(ageMs)}` : "since its start", ko: "" };
  last.ko = Number.isFinite(ageMs) ? `${minutes(ageMs)} 동안` : "시작 이후";
  const state = said ? `${said.feed}${said.code ? `, ${said.code}` : ""}` : "?";
  return {
    subject,
    severity: "critical",
    words: {
      en: `${subject} at ${account.edge} has brought no tick ${last.en} in an open market (feed ${state}).`,
      ko: `${account.edge}의 ${subject}가 장중에 ${last.ko} 틱이 없습니다 (피드 ${state}).`,
    },
  };
}

/** Stopped with a code: its edge does not try again by itself. */
function isStopped(watch: HubWatch, account: WatchedAccount): string | null {
  const said = collectorOf(watch, account)?.accounts[account.account];
  return said?.feed === "stopped" ? said.code : null;
}

/** Its edge is dead or cut off, which is an alert of its own; of an edge that is not watched nobody else tells. */
function isElsewhere(seen: Observation, watch: HubWatch, { edge }: WatchedAccount): boolean {
  return edge !== null && seen.edges.has(edge) && !isHeard(watch, edge);
}

function horizonOf(seen: Observation, edge: string): Breach | null {
  const own = seen.edges.get(edge);
  const direct = own?.name === "seen" ? own.status?.outbox : undefined;
  const outbox = direct ?? watchOf(seen)?.edges.find((one) => one.edge === edge)?.outbox;
  const { oldestMs, secondsLeft } = outbox ?? {};
  if (oldestMs === undefined || secondsLeft === undefined) return null;
  if (oldestMs < BACKLOG_MS || secondsLeft > HORIZON_S.warning) return null;
  const left = minutes(secondsLeft * SECOND);
  return {
    subject: edge,
    severity: secondsLeft > HORIZON_S.critical ? "warning" : "critical",
    words: {
      en: `The outbox of ${edge} is full in ${left} and does not drain: then records are given up, and declared.`,
      ko: `${edge}의 아웃박스가 ${left} 안에 가득 차며 비워지지 않고 있습니다. 이후 기록은 포기되고 손실로 선언됩니다.`,
    },
  };
}

export const MARKET_RULES = {
  FEED_SILENT: {
    forMs: 2 * MINUTE,
    clearMs: 60 * SECOND,
    repeatMs: 15 * MINUTE,
    next: {
      en: "Look at the edge's log for feed_closed, feed_retrying and feed_alarmed; is the broker in maintenance?",
      ko: "엣지 로그의 feed_closed, feed_retrying, feed_alarmed를 확인하세요. 증권사 점검 중인지도 확인하세요.",
    },
    judge(seen) {
      const watch = booksOf(seen);
      if (!watch) return BLIND;
      const blind = new Set(
        watch.accounts
          .filter((one) => isStopped(watch, one) !== null || isElsewhere(seen, watch, one))
          .map(({ account }) => account),
      );
      const judged = watch.accounts.filter(({ account }) => !blind.has(account));
      const { breaches: found } = breaches(judged.map((one) => silenceOf(watch, one)));
      return { breaches: found, isBlind: (account) => blind.has(account) };
    },
  },
  FEED_STOPPED: {
    forMs: 60 * SECOND,
    clearMs: 60 * SECOND,
    repeatMs: HOUR,
    next: {
      en: "docs/errors.md says what the code means; then start the edge again.",
      ko: "docs/errors.md에서 코드의 의미를 확인한 뒤 엣지를 다시 시작하세요.",
    },
    judge(seen) {
      const watch = booksOf(seen);
      if (!watch) return BLIND;
      return breaches(
        watch.accounts.map((account) => {
          const code = isStopped(watch, account);
          return code === null
            ? null
            : {
                subject: account.account,
                severity: "critical",
                words: {
                  en: `The feed of ${account.account} has stopped and does not try again: ${code}.`,
                  ko: `${account.account} 피드가 멈췄고 스스로 다시 시도하지 않습니다: ${code}.`,
                },
              };
        }),
      );
    },
  },
  LEASE_FLAPPING: {
    forMs: 0,
    clearMs: 5 * MINUTE,
    repeatMs: 2 * HOUR,
    next: {
      en: "Two edges may fight for the account, or one keeps dying: compare lease_moved in the edges' logs.",
      ko: "두 엣지가 계정을 두고 다투거나 한 엣지가 반복해서 죽고 있을 수 있습니다. 엣지 로그의 lease_moved를 비교하세요.",
    },
    judge(seen) {
      if (!booksOf(seen)) return BLIND;
      return breaches(
        [...seen.epochRises].map(([account, rises]) =>
          rises < RISES_MAX
            ? null
            : {
                subject: account,
                severity: "warning",
                words: {
                  en: `The lease of ${account} was granted or changed ${rises} times in 30 min.`,
                  ko: `${account}의 리스가 30분 동안 ${rises}번 바뀌었습니다.`,
                },
              },
        ),
      );
    },
  },
  GAPS_UNREFILLED: {
    forMs: 60 * SECOND,
    clearMs: 2 * MINUTE,
    repeatMs: 12 * HOUR,
    next: {
      en: "tickhub verify --date TODAY names each of them, and what the broker answered.",
      ko: "tickhub verify --date 오늘날짜 로 각 갭과 증권사의 답을 확인하세요.",
    },
    judge(seen) {
      const watch = booksOf(seen);
      if (!watch) return BLIND;
      const { open, oldestMs, lost } = watch.gaps;
      const waitedMs = oldestMs === null ? 0 : watch.marketMs - oldestMs;
      if (waitedMs < GAP_MS && lost === 0) return breaches([]);
      return breaches([
        {
          subject: "trades",
          severity: "warning",
          words: {
            en: `Gaps in today's trades: ${open} wait for the broker's answer, the oldest for ${minutes(waitedMs)}; ${lost} could not be refilled.`,
            ko: `오늘 체결 갭: ${open}개가 증권사 응답 대기 중 (가장 오래된 것 ${minutes(waitedMs)}), ${lost}개는 복구하지 못했습니다.`,
          },
        },
      ]);
    },
  },
  PARITY_LOW: {
    forMs: 0,
    clearMs: 60 * SECOND,
    repeatMs: 24 * HOUR,
    next: {
      en: "tickhub parity --date DAY --differences shows where the brokers differ.",
      ko: "tickhub parity --date 날짜 --differences 로 두 증권사의 차이를 확인하세요.",
    },
    judge(seen) {
      const watch = booksOf(seen);
      if (!watch) return BLIND;
      const { parity } = watch;
      if (!parity || (parity.share >= PARITY_SHARE && parity.coverage >= PARITY_COVERAGE)) {
        return breaches([]);
      }
      const { day, share, coverage } = parity;
      return breaches([
        {
          subject: "parity",
          severity: "warning",
          words: {
            en: `Parity of ${day} is under the gate: ${percent(share)} of ${percent(PARITY_SHARE)}, coverage ${percent(coverage)} of ${percent(PARITY_COVERAGE)}.`,
            ko: `${day} 패리티가 기준 미달입니다: ${percent(share)} (기준 ${percent(PARITY_SHARE)}), 커버리지 ${percent(coverage)} (기준 ${percent(PARITY_COVERAGE)}).`,
          },
        },
      ]);
    },
  },
  OUTBOX_HORIZON: {
    forMs: 60 * SECOND,
    clearMs: 2 * MINUTE,
    repeatMs: 10 * MINUTE,
    next: {
      en: "Bring the hub or the link back before that; docs/overload.md says what goes first.",
      ko: "그 전에 허브나 연결을 복구하세요. 무엇부터 버려지는지는 docs/overload.md에 있습니다.",
    },
    judge(seen) {
      const known = watchOf(seen)?.edges.map(({ edge }) => edge) ?? [];
      const edges = [...new Set([...seen.edges.keys(), ...known])];
      const isBlind = (edge: string) =>
        isAway(seen, edge) || (watchOf(seen) === null && seen.edges.get(edge)?.name !== "seen");
      const judged = edges.filter((edge) => !isBlind(edge));
      return { ...breaches(judged.map((edge) => horizonOf(seen, edge))), isBlind };
    },
  },
} as const satisfies Record<string, Rule>;
