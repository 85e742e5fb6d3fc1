// What the watchdog is shown, cut out of the hub's picture. Pure.
import type { HubWatch, WatchedEdge } from "../../shared/watch.ts";
import { WATCH_LIMITS } from "../../shared/watch.ts";
import type { Due } from "./coverage/due.ts";
import type { DiskPicture } from "./disk.ts";
import type { Expiry } from "./expiries.ts";
import type { EdgePicture, Picture } from "./picture.ts";

export interface WatchExtras {
  marketMs: number;
  due: Due;
  disk: DiskPicture | null;
  expiries: readonly Expiry[];
}

export function watchOf(
  picture: Picture,
  { marketMs, due, disk, expiries }: WatchExtras,
): HubWatch {
  const { version, nowMs, upMs, database, release } = picture;
  return {
    version,
    nowMs,
    marketMs,
    upMs,
    database: database.ok ? null : { code: database.code },
    edges: picture.edges.slice(0, WATCH_LIMITS.edges).map(edgeOf),
    accounts: picture.accounts
      .filter(({ account, planned }) => planned > 0 || due.places.has(account))
      .slice(0, WATCH_LIMITS.accounts)
      .map(({ account, lease }) => ({
        account,
        edge: lease?.holder ? lease.edge : null,
        epoch: lease?.epoch ?? 0,
        places: due.places.get(account) ?? {},
      })),
    gaps: due.gaps,
    parity: parityOf(picture.parity),
    unbalanced: picture.unbalanced.length,
    disk,
    backup: [...picture.backup.troubles],
    release: release?.report
      ? {
          version: release.report.version,
          outcome: release.report.outcome,
          reason: release.report.reason,
        }
      : null,
    meters: picture.meters
      .flatMap(({ meter, subject, state, used, projected, limit, unit }) =>
        limit === null ? [] : [{ meter, subject, state, used, projected, limit, unit }],
      )
      .slice(0, WATCH_LIMITS.meters),
    expiries: expiries.slice(0, WATCH_LIMITS.expiries),
  };
}

function edgeOf({ edge, seenAgeMs, status }: EdgePicture): WatchedEdge {
  const { outbox, uplink, accounts = {}, drifts = [] } = status;
  const { secondsLeft, oldestMs } = outbox ?? {};
  const isMeasured = secondsLeft !== undefined && oldestMs !== undefined;
  return {
    edge,
    seenAgeMs,
    outbox: isMeasured ? { secondsLeft, oldestMs } : null,
    offsetMs: uplink?.offsetMs ?? null,
    drifts: drifts.slice(0, WATCH_LIMITS.drifts),
    accounts: Object.fromEntries(
      Object.entries(accounts).map(([account, { feed, code, tickAgeMs, lease }]) => [
        account,
        { feed, code: code ?? null, tickAgeMs: tickAgeMs ?? null, lease: lease ?? "" },
      ]),
    ),
  };
}

function parityOf({ days }: Picture["parity"]): HubWatch["parity"] {
  const latest = days.findLast(({ share }) => share !== null);
  if (latest?.share == null) return null;
  return { day: latest.day, share: latest.share, coverage: latest.coverage };
}
