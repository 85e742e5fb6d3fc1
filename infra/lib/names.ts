// Names, tags, ports and paths that several parts have to agree on: policy, machines, images, edges.

/** Ports on the tailnet. Gateway and page are apart, so that the policy can tell edges from people. */
export const PORTS = {
  /** Edges' batches: WebSocket `/edge`, and `/healthz`. */
  gateway: 8610,
  /** The page, /status, /healthz, /metrics: people and the watchdog. */
  web: 8611,
  database: 5432,
  /** An edge's /healthz, /status, /metrics. */
  edgeStatus: 8620,
  sentinelStatus: 8621,
  /** CONNECT proxy that reaches Kiwoom's hosts and no other. */
  kiwoomProxy: 8640,
  ssh: 22,
} as const;

/** The UDP port of tailscaled, the only one open to the world. */
export const WIREGUARD_PORT = 41_641;

/** Tags of production; a staging stack's are these with `stg-` after `tag:`. */
export const TAGS = {
  hub: "tag:hub",
  home: "tag:home",
  edgeKis: "tag:edge-kis",
  edgeKiwoom: "tag:edge-kiwoom",
  edgeNews: "tag:edge-news",
  sentinel: "tag:sentinel",
  /** The E2.1.Micro that only lends its address to Kiwoom's collector. */
  egress: "tag:egress",
  /** Owner of the edges' tags; carried by the OAuth client that lets containers join. */
  edges: "tag:edges",
} as const;

export type Tag = (typeof TAGS)[keyof typeof TAGS];

/** The same role in a staging stack. */
export const stagingTag = (tag: Tag): string => tag.replace("tag:", "tag:stg-");

/** Machines' names in the tailnet, without the domain. */
export const hubHostname = (stack: string, staging: boolean): string =>
  staging ? `tickhub-${stack}` : "tickhub-hub";

/** Names of the edges' machines in the tailnet; the sentinel is a node of its own on the same VM as the news. */
export const EDGE_HOSTS = {
  kis: "tickhub-edge-kis",
  kiwoom: "tickhub-edge-kiwoom",
  news: "tickhub-edge-gcp",
  sentinel: "tickhub-sentinel",
} as const;

/** The E2.1.Micro that lends its address to Kiwoom's collector; production only. */
export const EGRESS_HOSTNAME = "tickhub-egress";

/** Paths on the hub's VM. The volume is mounted at `data`; everything that has to survive the VM is under it. */
export const PATHS = {
  device: "/dev/oracleoci/oraclevdb",
  label: "tickhub-data",
  data: "/srv/tickhub",
  tailscale: "/srv/tickhub/tailscale",
  /** Parent of PGDATA; made by the step that formats, and by no other, so that a missing volume stops PostgreSQL. */
  postgres: "/srv/tickhub/postgres",
  walSpool: "/srv/tickhub/wal-spool",
  releases: "/srv/tickhub/releases",
  /** What the WAL upload remembers and says of itself. */
  backup: "/srv/tickhub/backup",
  secrets: "/run/tickhub/secrets.env",
  settings: "/etc/tickhub/stack.env",
} as const;

/** In the bucket: what the VM of a stack shall run. */
export const releaseObject = (stack: string): string => `releases/${stack}.json`;
/** In the bucket: what the VM of a stack says of the release it tried. */
export const releaseReportObject = (stack: string): string => `releases/${stack}.report.json`;
