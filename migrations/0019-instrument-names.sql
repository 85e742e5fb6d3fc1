-- Other names of an instrument: what news are tagged by, beside the exchange's short name.
-- Why: a headline says Samsung Electronics, or 에스케이하이닉스. Locks: instrument, for a moment (a default that is
-- no expression rewrites nothing). Undo: drop the column; names stay.
-- tickhub: min_code 1

alter table public.instrument add column aliases text[] not null default '{}';
