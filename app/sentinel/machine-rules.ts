// Rules of what stands around the data: books, disk, clocks, backup, free tiers, the broker's layouts, keys,
// releases, and the Sentinel's own ways out.
import type { HubWatch } from "../shared/watch.ts";
import { booksOf, isAway, watchOf } from "./reach-rules.ts";
import type { Failing } from "./observation.ts";
import type { Breach, Rule } from "./rule.ts";
import { BLIND, breaches, HOUR, MINUTE, SECOND } from "./rule.ts";

const DAY = 24 * HOUR;
/** Shares of the volume that are free. */
const DISK_SHARE = { warning: 0.15, critical: 0.05 };
/** Between our clock and the hub's, and between the hub's and an edge's: a tick's receive stamp is an edge's. */
const SKEW_MS = { hub: 2_000, edge: 1_000 };
const EXPIRY_DAYS = { warning: 21, critical: 3 };
const CHANNEL_MS = 2 * MINUTE;
const DOOR_MS = 5 * MINUTE;

const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
const seconds = (ms: number) => `${(ms / SECOND).toFixed(1)} s`;

function skewOf(subject: string, offsetMs: number, limitMs: number): Breach | null {
  if (Math.abs(offsetMs) <= limitMs) return null;
  const way = offsetMs > 0 ? { en: "ahead", ko: "빠릅니다" } : { en: "behind", ko: "느립니다" };
  const by = seconds(Math.abs(offsetMs));
  return {
    subject,
    severity: "warning",
    words: {
      en: `The clock of ${subject} is ${by} ${way.en}.`,
      ko: `${subject}의 시계가 ${by} ${way.ko}.`,
    },
  };
}

/** Of several meters of one subject's egress the one that is nearest to its limit. */
function metersOf({ meters }: HubWatch): Breach[] {
  const worst = new Map<string, HubWatch["meters"][number]>();
  for (const one of meters.filter(({ state }) => state !== "ok")) {
    const subject = `${one.meter.replace(/^egress.*/, "egress")}@${one.subject}`;
    const known = worst.get(subject);
    const share = (meter: typeof one) => Math.max(meter.used, meter.projected) / meter.limit;
    if (!known || share(one) > share(known)) worst.set(subject, one);
  }
  return [...worst].map(([subject, { state, used, projected, limit, unit }]) => {
    const figures = `${used.toFixed(1)} → ${projected.toFixed(1)} / ${limit} ${unit}`;
    return {
      subject,
      severity: state === "over" ? "critical" : "warning",
      words: {
        en: `${subject} comes to its free limit this month: ${figures}.`,
        ko: `${subject}가 이번 달 무료 한도에 가까워집니다: ${figures}.`,
      },
    };
  });
}

function expiryOf({ subject, atMs }: { subject: string; atMs: number }, nowMs: number) {
  const days = Math.floor((atMs - nowMs) / DAY);
  if (days >= EXPIRY_DAYS.warning) return null;
  const day = new Date(atMs).toISOString().slice(0, 10);
  const isOver = atMs <= nowMs;
  return {
    subject,
    severity: days < EXPIRY_DAYS.critical ? "critical" : "warning",
    words: {
      en: isOver ? `${subject} ended on ${day}.` : `${subject} ends in ${days} days, on ${day}.`,
      ko: isOver
        ? `${subject}의 유효 기간이 ${day}에 끝났습니다.`
        : `${subject}의 유효 기간이 ${days}일 뒤(${day}) 끝납니다.`,
    },
  } satisfies Breach;
}

/** Of the Sentinel's own ways out, once one has failed for so long. */
function failingOf(subject: string, failing: Failing | null, limitMs: number): Breach | null {
  if (failing === null || failing.forMs < limitMs) return null;
  const { code } = failing;
  return {
    subject,
    severity: "warning",
    words: {
      en: `${subject} does not take what the Sentinel says: ${code}. It is kept and tried again.`,
      ko: `${subject}에 Sentinel의 메시지를 전달하지 못하고 있습니다: ${code}. 보관하고 다시 시도합니다.`,
    },
  };
}

export const MACHINE_RULES = {
  LEDGER_UNBALANCED: {
    forMs: 60 * SECOND,
    clearMs: 60 * SECOND,
    repeatMs: HOUR,
    next: {
      en: "tickhub status says which books; keep the logs of hub and edge.",
      ko: "tickhub status에서 어느 장부인지 확인하고, 허브와 엣지의 로그를 보존하세요.",
    },
    judge(seen) {
      const watch = booksOf(seen);
      if (!watch) return BLIND;
      if (watch.unbalanced === 0) return breaches([]);
      return breaches([
        {
          subject: "books",
          severity: "critical",
          words: {
            en: `The books are wrong in ${watch.unbalanced} places: a record is not accounted for.`,
            ko: `장부가 ${watch.unbalanced}곳에서 맞지 않습니다. 설명되지 않는 기록이 있습니다.`,
          },
        },
      ]);
    },
  },
  DISK_LOW: {
    forMs: 2 * MINUTE,
    clearMs: 5 * MINUTE,
    repeatMs: 6 * HOUR,
    next: {
      en: "Let go of old ticks (TICKHUB_RETAIN_DAYS), look at the WAL spool, or enlarge the volume.",
      ko: "오래된 틱을 정리하고(TICKHUB_RETAIN_DAYS), WAL 스풀을 확인하거나 볼륨을 늘리세요.",
    },
    judge(seen) {
      const watch = watchOf(seen);
      if (!watch) return BLIND;
      const { freeBytes, totalBytes } = watch.disk ?? { freeBytes: 1, totalBytes: 1 };
      const share = freeBytes / totalBytes;
      if (share >= DISK_SHARE.warning) return breaches([]);
      return breaches([
        {
          subject: "hub",
          severity: share < DISK_SHARE.critical ? "critical" : "warning",
          words: {
            en: `The database's volume has ${gb(freeBytes)} of ${gb(totalBytes)} left.`,
            ko: `데이터베이스 볼륨에 ${gb(totalBytes)} 중 ${gb(freeBytes)}만 남았습니다.`,
          },
        },
      ]);
    },
  },
  CLOCK_SKEW: {
    forMs: 3 * MINUTE,
    clearMs: 3 * MINUTE,
    repeatMs: 12 * HOUR,
    next: {
      en: "Look at the machine's time service: timedatectl, chronyc tracking.",
      ko: "머신의 시간 동기화를 확인하세요: timedatectl, chronyc tracking.",
    },
    judge(seen) {
      const watch = watchOf(seen);
      if (!watch || seen.hub.name !== "seen") return BLIND;
      const { offsetMs, errorMs } = seen.hub.offset;
      const sure = Math.sign(offsetMs) * Math.max(0, Math.abs(offsetMs) - errorMs);
      const isBlind = (subject: string) => isAway(seen, subject);
      const edges = watch.edges
        .filter(({ edge }) => !isBlind(edge) && (seen.edges.has(edge) || seen.edges.size === 0))
        // The hub's clock less the edge's: an edge that is ahead has a figure below zero.
        .map(({ edge, offsetMs: less }) => skewOf(edge, -(less ?? 0), SKEW_MS.edge));
      return { ...breaches([skewOf("hub", sure, SKEW_MS.hub), ...edges]), isBlind };
    },
  },
  BACKUP_STALE: {
    forMs: 2 * MINUTE,
    clearMs: 2 * MINUTE,
    repeatMs: 12 * HOUR,
    next: {
      en: "On the hub's machine: journalctl -u tickhub-wal-upload. docs/backup.md.",
      ko: "허브 머신에서 journalctl -u tickhub-wal-upload를 확인하세요. docs/backup.md.",
    },
    judge(seen) {
      const watch = watchOf(seen);
      if (!watch) return BLIND;
      if (watch.backup.length === 0) return breaches([]);
      const said = watch.backup.join("; ");
      return breaches([
        {
          subject: "backup",
          severity: "warning",
          words: { en: `The backup is behind. ${said}.`, ko: `백업이 밀려 있습니다. ${said}.` },
        },
      ]);
    },
  },
  METER_PROJECTION: {
    forMs: 5 * MINUTE,
    clearMs: 5 * MINUTE,
    repeatMs: 24 * HOUR,
    next: {
      en: "tickhub status --meters; TICKHUB_EGRESS_BUDGET makes an edge send less.",
      ko: "tickhub status --meters를 확인하세요. TICKHUB_EGRESS_BUDGET으로 엣지 전송량을 줄일 수 있습니다.",
    },
    judge(seen) {
      const watch = booksOf(seen);
      return watch ? breaches(metersOf(watch)) : BLIND;
    },
  },
  BROKER_DRIFT: {
    forMs: 0,
    clearMs: 2 * MINUTE,
    repeatMs: 24 * HOUR,
    next: {
      en: "Nothing is lost: unknown fields are kept raw. Compare the broker's notice, and update tickhub.",
      ko: "잃은 것은 없습니다. 모르는 필드는 원본 그대로 보관됩니다. 증권사 공지를 확인하고 tickhub를 업데이트하세요.",
    },
    judge(seen) {
      const watch = watchOf(seen);
      if (!watch) return BLIND;
      const isBlind = (edge: string) => isAway(seen, edge);
      const found = watch.edges
        .filter(({ edge, drifts }) => drifts.length > 0 && !isBlind(edge))
        .map(({ edge, drifts }): Breach => {
          const said = drifts.join("; ");
          return {
            subject: edge,
            severity: "warning",
            words: {
              en: `The broker changed a layout, says ${edge}: ${said}.`,
              ko: `증권사가 전문 형식을 바꿨습니다 (${edge}): ${said}.`,
            },
          };
        });
      return { breaches: found, isBlind };
    },
  },
  KEY_EXPIRY: {
    forMs: 0,
    clearMs: 0,
    repeatMs: 3 * 24 * HOUR,
    next: {
      en: "docs/runbooks/key-rotation.md; then change the date in TICKHUB_SENTINEL_EXPIRIES, where it stands there.",
      ko: "docs/runbooks/key-rotation.md를 따른 뒤, TICKHUB_SENTINEL_EXPIRIES에 적힌 날짜라면 함께 고치세요.",
    },
    judge(seen) {
      const watch = watchOf(seen);
      const own = new Set(seen.expiries.map(({ subject }) => subject));
      const all = [...seen.expiries, ...(watch?.expiries ?? [])];
      return {
        ...breaches(all.map((one) => expiryOf(one, seen.nowMs))),
        isBlind: (subject) => watch === null && !own.has(subject),
      };
    },
  },
  RELEASE_REVERTED: {
    forMs: 60 * SECOND,
    clearMs: 60 * SECOND,
    repeatMs: 24 * HOUR,
    next: {
      en: "The release before runs on. Mend the cause and run pulumi up.",
      ko: "이전 릴리스가 계속 실행 중입니다. 원인을 고친 뒤 pulumi up을 실행하세요.",
    },
    judge(seen) {
      const watch = watchOf(seen);
      if (!watch) return BLIND;
      const { release } = watch;
      if (!release || release.outcome === "running") return breaches([]);
      const { version, outcome, reason } = release;
      return breaches([
        {
          subject: "release",
          severity: "warning",
          words: {
            en: `Release ${version} was ${outcome}: ${reason}`,
            ko: `릴리스 ${version}이(가) 적용되지 않았습니다 (${outcome}): ${reason}`,
          },
        },
      ]);
    },
  },
  CHANNEL_FAILING: {
    forMs: 0,
    clearMs: 0,
    repeatMs: 6 * HOUR,
    next: {
      en: "docs/errors.md says what the code means; tickhub sentinel test tries both ways.",
      ko: "docs/errors.md에서 코드의 의미를 확인하세요. tickhub sentinel test로 양쪽 경로를 시험할 수 있습니다.",
    },
    judge: ({ channels }) =>
      breaches([...channels].map(([name, failing]) => failingOf(name, failing, CHANNEL_MS))),
  },
  DOOR_REFUSED: {
    forMs: 0,
    clearMs: 60 * SECOND,
    repeatMs: 12 * HOUR,
    next: {
      en: "Compare TICKHUB_SENTINEL_TOKEN here with its hash at the hub; the page shows no alerts meanwhile.",
      ko: "여기의 TICKHUB_SENTINEL_TOKEN과 허브의 해시를 비교하세요. 그동안 페이지에 경보가 표시되지 않습니다.",
    },
    judge: ({ door, hub }) =>
      hub.name === "seen" ? breaches([failingOf("hub", door, DOOR_MS)]) : BLIND,
  },
} as const satisfies Record<string, Rule>;
