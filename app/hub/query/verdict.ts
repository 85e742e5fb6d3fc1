// Whether all is well, for the status line and the page: what a person should look at, each as data and in
// words. Pure, and without anything of Node's, because the page runs it too.
import type { MeterPicture } from "./meters/keeper.ts";
import type { Picture } from "./picture.ts";

export type Trouble =
  | { is: "database"; code: string }
  | { is: "books" }
  | { is: "stream"; account: string; check: string; detail: string }
  | { is: "unrefillable"; gaps: number }
  | { is: "lost"; records: number }
  | { is: "backup"; text: string }
  | { is: "meter"; meter: string; subject: string; over: boolean; amount: string; limit: string }
  | { is: "edge"; edge: string; silentMs: number }
  | { is: "uncollected"; account: string }
  | { is: "edgeBooks"; account: string }
  | { is: "fence" }
  | { is: "moving"; moving: string }
  | { is: "feed"; edge: string; account: string; feed: string; code: string | null };
export type TroubleKind = Trouble["is"];

/** Each kind in a language. */
export type TroubleWords = {
  [K in TroubleKind]: (trouble: Extract<Trouble, { is: K }>) => string;
};

export const ALL_WELL = "all well";

/** As the status line and the page say it in English. */
export const TROUBLE_WORDS: TroubleWords = {
  database: ({ code }) => `database ${code}`,
  books: () => "the books do not balance",
  stream: ({ account, check, detail }) => `${account}: the books are wrong (${check}, ${detail})`,
  unrefillable: ({ gaps }) =>
    `${gaps} gap${gaps === 1 ? "" : "s"} in trades that nobody can refill`,
  lost: ({ records }) => `${records.toLocaleString("en-US")} records declared lost`,
  backup: ({ text }) => text,
  meter: ({ meter, subject, over, amount, limit }) =>
    `${meter} of ${subject}: ${amount} of ${limit} ${over ? "used" : "at the month's end"}`,
  edge: ({ edge, silentMs }) => `${edge}: silent for ${Math.round(silentMs / 1_000)} s`,
  uncollected: ({ account }) => `${account}: nobody collects`,
  edgeBooks: ({ account }) => `${account}: the edge's books do not balance`,
  fence: () => "no lease is granted: see tickhub phase show",
  moving: ({ moving }) => `${moving} is half done`,
  feed: ({ edge, account, feed, code }) => `${edge}: ${account} ${feed}${code ? ` (${code})` : ""}`,
};

export function inWords(trouble: Trouble, words: TroubleWords): string {
  return (words[trouble.is] as (one: Trouble) => string)(trouble);
}

/** An edge that was given up long ago is no trouble any more, unless it holds an account. */
const FORGOTTEN_MS = 86_400_000;

/** In the order in which a person should look at them. */
export function troublesOf(picture: Picture): Trouble[] {
  const troubles: Trouble[] = [];
  if (!picture.database.ok) troubles.push({ is: "database", code: picture.database.code });
  if (!picture.total.isBalanced) troubles.push({ is: "books" });
  for (const { account, check, detail } of picture.unbalanced) {
    troubles.push({ is: "stream", account, check, detail });
  }
  troubles.push(...silentEdges(picture));
  const gaps = picture.coverage.incidents.filter(
    ({ trades }) => trades === "lost" || trades === "partial",
  ).length;
  if (gaps > 0) troubles.push({ is: "unrefillable", gaps });
  if (picture.total.lost > 0) troubles.push({ is: "lost", records: picture.total.lost });
  for (const text of picture.backup.troubles) troubles.push({ is: "backup", text });
  // A hub of the release before has none.
  troubles.push(...meterTroubles((picture as Partial<Picture>).meters ?? []));
  for (const { account, lease, edge } of picture.accounts) {
    if (!lease?.holder) troubles.push({ is: "uncollected", account });
    if (edge && !edge.isBalanced) troubles.push({ is: "edgeBooks", account });
  }
  const { phase } = picture;
  if (phase && phase.fence !== "open") troubles.push({ is: "fence" });
  if (phase?.moving) troubles.push({ is: "moving", moving: phase.moving });
  troubles.push(...feedTroubles(picture));
  return troubles;
}

function silentEdges({ edges }: Picture): Trouble[] {
  return edges.flatMap(({ edge, seenAgeMs, health }): Trouble[] => {
    // A hub of the release before says nothing of it.
    const { state, holds } = (health as typeof health | undefined) ?? { state: "ok", holds: [] };
    const isMissed = holds.length > 0 || seenAgeMs < FORGOTTEN_MS;
    return state === "down" && isMissed ? [{ is: "edge", edge, silentMs: seenAgeMs }] : [];
  });
}

/** Of edges that speak; a standby that claims what another holds is as it should be. */
function feedTroubles({ edges, accounts }: Picture): Trouble[] {
  return edges.flatMap(({ edge, status }) =>
    Object.entries(status.accounts ?? {}).flatMap(([account, said]): Trouble[] => {
      const { feed, code = null, lease } = said;
      const holding = accounts.find((one) => one.account === account)?.lease;
      const isStandby = lease === "claiming" && holding?.holder && holding.edge !== edge;
      return feed === "live" || isStandby ? [] : [{ is: "feed", edge, account, feed, code }];
    }),
  );
}

/** What comes to its limit. */
export function meterTroubles(meters: readonly MeterPicture[]): Trouble[] {
  return meters.flatMap(({ meter, subject, state, used, projected, limit, unit }): Trouble[] => {
    if (state === "ok" || limit === null) return [];
    const over = state === "over";
    const figures = { amount: amount(over ? used : projected), limit: `${amount(limit)} ${unit}` };
    return [{ is: "meter", meter, subject, over, ...figures }];
  });
}

/** Three figures, or whole numbers from 1,000 on. */
export function amount(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}
