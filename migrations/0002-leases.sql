-- Who may open a broker's socket, and what it subscribes to.
-- Why: brokers cut or lock an account that connects twice. Locks: none, all are new.
-- Undo: drop the tables; edges then get no lease and open no socket.
-- tickhub: min_code 1

-- One row an account, made by the hub from its configuration.
create table public.lease (
  account text collate "C" primary key,
  mode text not null default 'exclusive' check (mode in ('exclusive', 'failover')),
  -- Rises with every grant and is never used again.
  epoch bigint not null default 0,
  -- The process that holds it; null = free.
  holder uuid,
  edge text collate "C",
  granted_at timestamptz,
  seen_at timestamptz,
  released_at timestamptz,
  -- The broker wants this much silence between two sockets.
  quiet_ms int not null default 0 check (quiet_ms >= 0),
  -- A holder this long without a heartbeat has been killed by its own watchdog.
  kill_grace_ms int not null default 60000 check (kill_grace_ms >= 0),
  -- Of the grant, as `mode` is: a holder that was told of no limit must not lose its account by one.
  ttl_ms int not null default 60000,
  -- Epoch of the account's assignment, and of the one that the lease's present epoch began with.
  plan_epoch bigint not null default 0,
  assigned_epoch bigint not null default 0,
  -- Registrations the account may hold, where learned or configured.
  cap int
);

create table public.lease_epoch (
  account text collate "C" not null,
  epoch bigint not null,
  holder uuid not null,
  edge text collate "C" not null,
  granted_at timestamptz not null,
  -- Rows captured later than this under this epoch are not its to store; null = current.
  ended_at timestamptz,
  primary key (account, epoch)
);

create table public.assignment (
  account text collate "C" not null,
  venue text collate "C" not null,
  symbol text collate "C" not null,
  channel text collate "C" not null,
  epoch bigint not null default 0,
  primary key (account, venue, symbol, channel)
);

-- When the hub came up: silence before that proves nothing about an edge.
create table public.hub_start (
  one boolean primary key default true check (one),
  started_at timestamptz not null
);

create table public.edge_status (
  edge text collate "C" primary key,
  status jsonb not null,
  seen_at timestamptz not null
);

create table public.instrument (
  venue text collate "C" not null,
  symbol text collate "C" not null,
  name text not null,
  kind text not null default 'stock',
  -- The venue's own code of the issue, where it has one.
  isin text,
  listed_on date,
  delisted_on date,
  seen_at timestamptz not null default now(),
  primary key (venue, symbol)
);

-- Which edges may hold an account's lease, from the hub's configuration. No row: any edge. One site at
-- most: exclusive. Several: failover, and ttl_ms is how long a holder may go on without an answer.
create table public.placement (
  account text collate "C" primary key,
  sites text[] not null check (cardinality(sites) > 0),
  ttl_ms int not null default 60000 check (ttl_ms > 0),
  changed_at timestamptz not null default now()
);
