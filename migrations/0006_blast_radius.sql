-- When more deletions are due at once than can be right (a bad clock, a bad UPDATE, a stolen administrator), the breaker
-- trips: none of them is claimed until an operator has looked and released them. One row for each time that it tripped;
-- erasure is stopped while one of them is open.
create table breaker_trips (
  id          bigint generated always as identity primary key,
  tripped_at  timestamptz not null default now(),
  at_once     bigint not null,
  users       bigint not null,
  floor       bigint not null,
  share       numeric not null,
  released_at timestamptz,
  released    bigint,
  check ((released_at is null) = (released is null))
);
-- However many workers see it at the same moment, it trips once.
create unique index breaker_trips_open on breaker_trips ((true)) where released_at is null;

-- Set by an operator's release, on deletions that are due by then. The date of a released one cannot be moved past its
-- release: what they looked at is what goes on.
alter table deletions add column released_at timestamptz
  constraint deletions_released_when_due check (released_at >= erase_after);

-- What the breaker counts beside what is due, once a second and with each claim.
create index deletions_claimed on deletions (claimed_at) where claimed_at is not null and released_at is null;
