-- Mails that must leave, written in the transaction that they tell of.
-- The address is looked up when the mail is sent; it is copied in here only when the user is erased first,
-- and forgotten once the mail has left or is given up. The id makes the Message-ID, the same on every try.
create table outbox (
  id              uuid primary key default gen_random_uuid(),
  mail            text not null check (mail in ('deletion-scheduled', 'export-ready', 'deletion-reminder',
                                                'deletion-cancelled', 'account-erased')),
  deletion_id     uuid not null references deletions,
  address         text,
  status          text not null default 'pending' check (status in ('pending', 'sent', 'undeliverable', 'superseded', 'suppressed')),
  created_at      timestamptz not null default now(),
  finished_at     timestamptz,
  lease           uuid,
  next_attempt_at timestamptz not null default now(),
  attempts        integer not null default 0,
  check ((status = 'pending') = (finished_at is null)),
  check (status = 'pending' or address is null)
);
create index outbox_deletion_id on outbox (deletion_id);
create index outbox_to_send on outbox (next_attempt_at) where status = 'pending';
create index outbox_finished on outbox (finished_at) where finished_at is not null;
create index outbox_lease on outbox (lease) where lease is not null;

-- Wakes the relay at once; a slow poll stands under it.
create function notify_outbox() returns trigger language plpgsql as $$
begin
  perform pg_notify('outbox', '');
  return null;
end $$;
create trigger outbox_staged after insert on outbox for each statement execute function notify_outbox();
