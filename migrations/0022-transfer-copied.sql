-- A chunk of a transfer may be copied and not compared yet.
-- Why: many chunks are compared in one reading of both sides, instead of each for itself while it is copied.
-- Locks: transfer_chunk alone, and that only for a look at its few rows. Undo: copied chunks are open again
-- (they are then compared one by one), and the check of 0016 is put back.
-- tickhub: min_code 1

alter table public.transfer_chunk
  drop constraint transfer_chunk_state_check,
  -- copied: its rows came over, and nobody has compared both sides since.
  add constraint transfer_chunk_state_check check (state in ('open', 'copied', 'done', 'differs'));
