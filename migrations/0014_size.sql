-- The breaker counts deletions of accounts that were younger than a week apart from the others: a stranger's throw-away
-- accounts hold up nobody else. Known at the request, and kept here since the account itself goes.
alter table public.deletions add column new_account boolean not null default false;
-- When the breaker trips, the oldest requests go on all the same: as many as it lets pass in an hour. A date that is moved
-- past it makes it void.
alter table public.deletions add column passed_at timestamptz;

alter table public.breaker_trips
  add column new_accounts boolean not null default false,
  -- What came due after the one and until the other is held, but for what passed.
  add column held_from timestamptz not null default '-infinity',
  add column held_until timestamptz not null default now(),
  add column passed bigint not null default 0,
  -- A release records its number and its end in one step, then marks deletions in batches, and closes the trip with the last.
  add column release_until timestamptz,
  add column marked bigint not null default 0;
update public.breaker_trips set held_until = tripped_at;
update public.breaker_trips set release_until = tripped_at, marked = released where released is not null;
alter table public.breaker_trips
  drop constraint breaker_trips_check,
  add constraint breaker_trips_release check (
    (released is null) = (release_until is null) and (released_at is null or released is not null) and marked <= coalesce(released, 0));
drop index public.breaker_trips_open;
create unique index breaker_trips_open on public.breaker_trips (new_accounts) where released_at is null;

-- However many deletions are held: what goes on is found by the first of these, what counts or is held by the others.
create index deletions_free_to_go on public.deletions (next_attempt_at)
  where status = 'erasing' or status = 'pending' and (released_at is not null or (passed_at >= erase_after) is true);
create index deletions_not_released on public.deletions (new_account, erase_after)
  where status = 'pending' and released_at is null and (passed_at >= erase_after) is not true;
create index deletions_passed on public.deletions (new_account)
  where status = 'pending' and released_at is null and (passed_at >= erase_after) is true;
drop index public.deletions_claimed;
create index deletions_claimed on public.deletions (new_account, claimed_at)
  where claimed_at is not null and released_at is null;
drop index public.deletions_due;

-- The newest of each status, and the oldest request of all that are due.
create index deletions_requested on public.deletions (status, requested_at, id);
-- An alarm watches the oldest.
create index outbox_oldest on public.outbox (created_at) where status = 'pending';

-- Wakes the worker at once, as the outbox does.
create function public.notify_exports() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_notify('exports', '');
  return null;
end $$;
create trigger exports_wanted after insert on public.exports for each statement execute function public.notify_exports();
