-- What the page asks for: a day's coverage of all sources, and the books that came a moment ago.
-- Why: the primary key of coverage begins with the source, so a day of it was a look at every row ever kept; book
-- has no index at all, because none is free for its writers. This one is BRIN, as trade_arrival is: rows lie in the
-- order in which they came.
-- Locks: holds up writers to coverage and book while it reads them once (seconds for a day of books).
-- Undo: drop both indexes.
-- tickhub: min_code 1

create index coverage_day on public.coverage (day, channel);
create index book_arrival on public.book using brin (hub_recv) with (pages_per_range = 16, autosummarize = on);
