-- What happened to a deletion, without a word on whose it was. Events are inserted in the transaction they tell of;
-- one sealer in the worker links them into a hash chain afterwards (`position`, `hash`), and nothing else is ever changed.
create table audit_events (
  id          bigint generated always as identity primary key,
  deletion_id uuid not null,
  event       text not null check (event in ('deletion.requested', 'deletion.cancelled', 'deletion.claimed', 'deletion.erased',
                                             'export.ready', 'export.failed', 'mail.undeliverable')),
  details     jsonb not null default '{}',
  at          timestamptz not null default now(),
  position    bigint unique check (position > 0),
  hash        bytea check (octet_length(hash) = 32),
  check ((position is null) = (hash is null))
);
create index audit_events_deletion_id on audit_events (deletion_id);
create index audit_events_unsealed on audit_events (id) where position is null;

-- The text that the chain hashes: the same for the sealer and for whoever verifies.
create function audit_event_text(e audit_events) returns text language sql stable as $$
  select jsonb_build_array(e.position, e.id, e.deletion_id, e.event, e.details,
    to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
$$;

create function guard_audit_events() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and old.position is null
     and row(new.id, new.deletion_id, new.event, new.details, new.at)
         is not distinct from row(old.id, old.deletion_id, old.event, old.details, old.at) then
    return new;
  end if;
  raise exception 'audit events are append-only';
end $$;
create trigger audit_events_append_only before update or delete on audit_events
  for each row execute function guard_audit_events();
create trigger audit_events_not_truncated before truncate on audit_events
  for each statement execute function guard_audit_events();
