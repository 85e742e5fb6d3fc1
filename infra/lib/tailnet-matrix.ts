// Who may reach what on the tailnet, as one reads it: a row is who asks, a column whose machine is asked,
// a letter a port. The policy's own `tests` are made from this table, every pair of it, allowed and denied.
// It is written by hand and apart from the grants (tailnet-policy.ts), so that a slip in either is refused
// by Tailscale when the policy is sent to it, and by headscale in tests/mesh.
import type { KiwoomEgress, Phase } from "../config.ts";
import { PORTS, TAGS, type Tag } from "./names.ts";

/** The people of the stack's config; the only group, since Tailscale's free plan has three. */
export const ADMINS = "group:tickhub-admins";

/** Stands for a machine that carries no tag and is nobody's: an address of documentation (RFC 5737). */
export const STRANGER = { name: "tickhub-stranger", address: "192.0.2.1" } as const;

const LETTERS: Record<string, { port: number; when: (here: Here) => boolean }> = {
  x: { port: PORTS.ssh, when: always },
  d: { port: PORTS.database, when: always },
  D: { port: PORTS.database, when: ({ phase }) => phase === "local" },
  g: { port: PORTS.gateway, when: always },
  w: { port: PORTS.web, when: always },
  s: { port: PORTS.edgeStatus, when: always },
  P: {
    port: PORTS.kiwoomProxy,
    when: ({ kiwoomEgress, column }) => column === PLACE[kiwoomEgress],
  },
};

// x SSH · d database · D database while the phase is local · g gateway · w page, /status, /healthz
// s an edge's status · P Kiwoom proxy, on the one machine whose address Kiwoom knows · . nothing
const MATRIX = `
              hub   home  edge-kis  edge-kiwoom  edge-news  sentinel  egress  edges
  admins      xdw   .     .         .            x          .         x       .
  hub         .     .     s         s            s          .         .       .
  home        gD    .     .         .            .          .         .       .
  edge-kis    g     .     .         .            .          .         .       .
  edge-kiwoom gP    P     .         .            .          .         P       .
  edge-news   g     .     .         .            .          .         .       .
  sentinel    w     .     s         s            s          .         .       .
  egress      .     .     .         .            .          .         .       .
  edges       .     .     .         .            .          .         .       .
  stranger    .     .     .         .            .          .         .       .
`;

interface Here {
  phase: Phase;
  kiwoomEgress: KiwoomEgress;
  column: string;
}

const PLACE: Record<KiwoomEgress, string> = { hub: "hub", home: "home", "oci-micro": "egress" };

/** Every port that something of tickhub listens on; each is asserted of each machine. */
export const PORTS_OF_INTEREST = [...new Set(Object.values(PORTS))].sort((a, b) => a - b);

/** One source against every machine and port: `tag:hub:8610` is in exactly one of the two lists. */
export interface Row {
  src: string;
  accept: string[];
  deny: string[];
}

/**
 * The table spelt out for one plan: production, then staging, which is the same among itself. A source of
 * production reaches no staging machine and the reverse; only people reach both.
 */
export function reachability(plan: { phase: Phase; kiwoomEgress: KiwoomEgress }): Row[] {
  const { columns, rows } = table();
  return ["", "stg-"].flatMap((own) =>
    rows
      .filter(({ who }) => own === "" || !isPeople(who))
      .map(({ who, cells }) => {
        const row: Row = { src: source(who, own), accept: [], deny: [] };
        for (const side of ["", "stg-"]) {
          columns.forEach((column, index) => {
            const open = side === own || who === "admins" ? cells[index]! : ".";
            const ports = openPorts(open, { ...plan, column });
            for (const port of PORTS_OF_INTEREST) {
              (ports.has(port) ? row.accept : row.deny).push(`tag:${side}${column}:${port}`);
            }
          });
        }
        return row;
      }),
  );
}

function table(): { columns: string[]; rows: { who: string; cells: string[] }[] } {
  const [head, ...lines] = MATRIX.trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return { columns: head!, rows: lines.map(([who, ...cells]) => ({ who: who!, cells })) };
}

function openPorts(letters: string, here: Here): Set<number> {
  if (letters === ".") return new Set();
  return new Set(
    Object.entries(LETTERS)
      .filter(([letter, { when }]) => letters.includes(letter) && when(here))
      .map(([, { port }]) => port),
  );
}

const isPeople = (who: string) => who === "admins" || who === "stranger";

function source(who: string, own: string): string {
  if (who === "admins") return ADMINS;
  if (who === "stranger") return STRANGER.name;
  return `tag:${own}${who}`;
}

function always(): boolean {
  return true;
}

/** The tags that the table's columns name; a test holds them against names.ts. */
export const columnTags = (): Tag[] =>
  table().columns.map((column) => Object.values(TAGS).find((tag) => tag === `tag:${column}`)!);
