-- The record of a chaos run, in its own schema beside the real tables. Commit times are PostgreSQL's
-- (`track_commit_timestamp`): a transaction that waited for another one's lock has the later one.
create schema chaos;

-- Triggers record every change of every row that a deletion touches. Secrets are left out, and so are changes that only
-- set who works on a row; the rest is small enough to keep.
create table chaos.changes (
  seq         bigint generated always as identity primary key,
  at          timestamptz not null default clock_timestamp(),
  xid         xid8 not null default pg_current_xact_id(),
  -- The application_name of the client; a worker with its own links has one.
  who         text not null default current_setting('application_name'),
  table_name  text not null,
  operation   text not null,
  user_id     bigint,
  deletion_id uuid,
  was         jsonb,
  is_now      jsonb
);

create function chaos.note() returns trigger language plpgsql as $$
declare
  secrets constant text[] := array['password_hash', 'token_hash', 'token_nonce', 'sealed_key', 'secret', 'sha256'];
  was jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - secrets end;
  is_now jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - secrets end;
  whole jsonb := coalesce(was, is_now);
begin
  insert into chaos.changes (table_name, operation, user_id, deletion_id, was, is_now) values (
    tg_table_name, tg_op,
    case when tg_table_name = 'users' then (whole->>'id')::bigint else (whole->>'user_id')::bigint end,
    case when tg_table_name = 'deletions' then (whole->>'id')::uuid else (whole->>'deletion_id')::uuid end,
    was, is_now);
  return null;
end $$;

do $$
declare name text;
begin
  foreach name in array array['public.users', 'public.sessions', 'public.saved_passwords', 'public.avatars', 'vault.person_keys',
                              'public.deletions', 'public.exports', 'public.outbox', 'public.audit_events'] loop
    execute format('create trigger chaos_note after insert or update or delete on %s
      for each row execute function chaos.note()', name);
  end loop;
end $$;

-- Every answer of the API. `sent` and `answered` count the requests and answers of a run, which gives a certain order.
create table chaos.answers (
  what        text not null,
  user_id     bigint,
  deletion_id uuid,
  credential  text,
  sent        bigint not null,
  answered    bigint,
  status      integer,
  detail      text
);
create index on chaos.answers (user_id, what);
create index on chaos.answers (deletion_id);
create index on chaos.answers (credential);

-- Every offer of a mail to the mail server.
create table chaos.mails (
  seq        bigint primary key,
  at         timestamptz not null,
  recipient  text not null,
  message_id text not null,
  subject    text not null,
  verdict    text not null,
  -- A Message-ID contains the id of the outbox row.
  outbox_id  uuid generated always as (substring(message_id from '^<([0-9a-f-]{36})@')::uuid) stored
);
create index on chaos.mails (outbox_id);

-- Every archive that is ready at the end, as it is stored.
create table chaos.archives (export_id uuid primary key, fault text);

-- The people who existed before the run: their data, and whether nothing may happen to them.
create table chaos.people (
  user_id   bigint primary key,
  address   text not null,
  bystander boolean not null,
  had       text not null,
  has_files boolean not null,
  files     boolean
);

-- The data of a person as one value: an equal value means no change.
create function chaos.possessions(person bigint) returns text language sql stable as $$
  select md5(jsonb_build_array(
    (select to_jsonb(u) - 'active' from public.users u where id = person),
    (select jsonb_agg(to_jsonb(p) order by p.id) from public.saved_passwords p where user_id = person),
    (select jsonb_agg(to_jsonb(a)) from public.avatars a where user_id = person),
    (select jsonb_agg(to_jsonb(k)) from vault.person_keys k where user_id = person))::text)
$$;

-- The changes with their commit times. Refreshed before the invariants are checked.
create materialized view chaos.log as
  select seq, at, table_name, operation, user_id, deletion_id, was, is_now,
    pg_xact_commit_timestamp(xid::xid) as committed
  from chaos.changes with no data;
create index on chaos.log (user_id, table_name);
create index on chaos.log (deletion_id, table_name);

-- One row per deletion: its user, its date, and the commit time of each step.
create materialized view chaos.lives as
  select deletion_id,
    max(user_id) as user_id,
    min((is_now->>'erase_after')::timestamptz) filter (where operation = 'INSERT') as erase_after,
    min(committed) filter (where operation = 'INSERT') as requested,
    min(committed) filter (where is_now->>'status' = 'cancelled') as cancelled,
    min(at) filter (where is_now->>'status' = 'erasing') as claimed_at,
    min(committed) filter (where is_now->>'status' = 'erasing') as claimed,
    min(committed) filter (where is_now->>'status' = 'erased') as erased
  from chaos.log where table_name = 'deletions'
  group by deletion_id with no data;
create unique index on chaos.lives (deletion_id);
create index on chaos.lives (user_id);
