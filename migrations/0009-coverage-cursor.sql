-- How far the ledger of coverage has read each stream, so that a hub that starts again, or one that was away
-- while a direct edge went on writing, folds in what is new and nothing else.
-- Why: a cursor that moves in the same transaction as the intervals it stands for cannot be ahead of them.
-- Locks: none, it is new. Undo: drop the table; the ledger then reads again all that ingest_batch still knows.
create table public.coverage_cursor (
  stream int primary key,
  number bigint not null
) with (fillfactor = 50);
