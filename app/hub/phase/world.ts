// What the machine sees of a database before each decision: the fence, who may hold what, who holds it, and
// what the edges say. Read in one go; the steps are judged by this alone, never by what a command remembers.
import type pg from "pg";
import { z } from "zod";
import type { Placement, SiteRule } from "./phases.ts";

export type Queryable = Pick<pg.ClientBase, "query">;

export type FenceState = "none" | "open" | "shut" | "clearing";

export interface Fence {
  /** As it acts: an open one of another database counts as shut. */
  state: FenceState;
  /** It was opened for another database: this one is a copy. */
  isCopy: boolean;
  openings: number;
  peer: string | null;
  role: "home" | "hub" | null;
}

export interface LeaseView {
  holder: string | null;
  edge: string | null;
  seenAgeMs: number | null;
  /** The holder was called back and has not left yet. */
  isLeaving: boolean;
}

/** One account, as an edge spoke of it last. */
export interface EdgeAccount {
  lease: string;
  feed: string;
  code: string | null;
  held: number;
}

export interface EdgeView {
  edge: string;
  seenAgeMs: number;
  accounts: ReadonlyMap<string, EdgeAccount>;
}

/** One database. */
export interface Place {
  identity: string;
  fence: Fence;
  sites: readonly SiteRule[];
  placement: Placement;
  leases: ReadonlyMap<string, LeaseView>;
  edges: readonly EdgeView[];
  /** Openings of other databases (`identity#opening`) that were found cleared, as recorded here. */
  clearings: ReadonlySet<string>;
}

const accountSchema = z.looseObject({
  lease: z.string().catch(""),
  feed: z.string().catch(""),
  code: z.string().nullable().catch(null),
  ledger: z.looseObject({ held: z.number() }).optional().catch(undefined),
});
const accountsSchema = z.record(z.string(), z.unknown()).catch({});

export async function readPlace(database: Queryable): Promise<Place> {
  const { rows } = await database.query<{ place: RawPlace }>(
    `select jsonb_build_object(
       'identity', public.database_identity(),
       'fence', (select to_jsonb(f) || jsonb_build_object('acts', public.fence_state()) from public.fence f),
       'sites', (select coalesce(jsonb_agg(s order by target, side), '[]') from public.site s),
       'placement', (select coalesce(jsonb_object_agg(account, sites), '{}') from public.placement),
       'leases', (select coalesce(jsonb_agg(jsonb_build_object('account', account, 'holder', holder,
           'edge', edge, 'isLeaving', revoked_at is not null, 'seenAgeMs', extract(epoch from clock_timestamp() - seen_at) * 1000)), '[]')
         from public.lease),
       'edges', (select coalesce(jsonb_agg(jsonb_build_object('edge', edge,
           'seenAgeMs', extract(epoch from clock_timestamp() - seen_at) * 1000,
           'accounts', coalesce(status -> 'accounts', '{}')) order by edge), '[]')
         from public.edge_status),
       'clearings', (select coalesce(jsonb_agg(database || '#' || opening), '[]') from public.clearing)
     ) as place`,
  );
  return placeOf(rows[0]!.place);
}

interface RawPlace {
  identity: string;
  fence: {
    acts: Exclude<FenceState, "none">;
    state: string;
    openings: number;
    peer: string | null;
    role: Fence["role"];
  } | null;
  sites: SiteRule[];
  placement: Record<string, string[]>;
  leases: ({ account: string } & LeaseView)[];
  edges: { edge: string; seenAgeMs: number; accounts: unknown }[];
  clearings: string[];
}

function placeOf(raw: RawPlace): Place {
  const { fence } = raw;
  return {
    identity: raw.identity,
    fence: fence
      ? {
          state: fence.acts,
          isCopy: fence.acts !== fence.state,
          ...{ openings: fence.openings, peer: fence.peer, role: fence.role },
        }
      : { state: "none", isCopy: false, openings: 0, peer: null, role: null },
    sites: raw.sites,
    placement: new Map(Object.entries(raw.placement).map(([name, edges]) => [name, edges.sort()])),
    leases: new Map(raw.leases.map(({ account, ...lease }) => [account, lease])),
    edges: raw.edges.map(({ edge, seenAgeMs, accounts }) => ({
      edge,
      seenAgeMs,
      accounts: accountsOf(accounts),
    })),
    clearings: new Set(raw.clearings),
  };
}

/** A direct edge writes its status without a gateway to check it. */
function accountsOf(said: unknown): Map<string, EdgeAccount> {
  return new Map(
    Object.entries(accountsSchema.parse(said)).flatMap(([account, value]) => {
      const parsed = accountSchema.safeParse(value);
      if (!parsed.success) return [];
      const { lease, feed, code, ledger } = parsed.data;
      return [[account, { lease, feed, code, held: ledger?.held ?? 0 }] as const];
    }),
  );
}
