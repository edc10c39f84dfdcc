-- The latest downloads of an archive, the newest first. A download that broke goes on for a day, beside others: each is
-- counted once, whichever goes on after another.
alter table public.exports
  alter column last_ticket type uuid[] using array_remove(array[last_ticket], null),
  alter column last_ticket set default '{}',
  alter column last_ticket set not null;
alter table public.exports rename column last_ticket to recent_tickets;
