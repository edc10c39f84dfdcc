-- Files and rows are kept in different places. What is here says which folders, and which files in them, belong to this database.

-- Every folder and bucket holds this id in its mark, beside the cluster's identifier and this database's oid.
create table lethe.folder_owner (
  singleton boolean primary key default true check (singleton),
  id        uuid not null default gen_random_uuid()
);
insert into lethe.folder_owner default values;

-- One row for each try to write an archive, committed before its first byte. The worker collects nothing that is not in here:
-- a physical copy of this database has the same marks, and does not know what the other one has written since.
create table lethe.archive_attempts (
  export_id     uuid not null references public.exports,
  lease         uuid not null,
  begun_at      timestamptz not null default now(),
  next_check_at timestamptz not null default now() + interval '1 day',
  primary key (export_id, lease)
);
create index archive_attempts_to_check on lethe.archive_attempts (next_check_at);

insert into lethe.archive_attempts (export_id, lease, begun_at)
select id, substr(file_name, 38, 36)::uuid, coalesce(created_at, now()) from public.exports
where file_name ~ '^[0-9a-f-]{36}\.[0-9a-f-]{36}\.zip\.age$'
union
select id, lease, now() from public.exports where lease is not null and status = 'pending'
on conflict do nothing;

-- The files that rows name are looked for before the first of them is removed, and the finding is committed: files by table.
-- A file that is missing before that stops the erasure; one that is missing after it was removed by an earlier try.
alter table public.deletions add column files_found jsonb
  constraint deletions_files_found_when_claimed check (files_found is null or status in ('erasing', 'erased'));
alter table public.deletions add column files_missing jsonb;
-- Of what the version before has claimed, files may be gone already: what is missing is progress, as it was then.
update public.deletions set files_found = '{}' where status = 'erasing';
-- The loss that an operator has accepted: that much may be missing, and no more.
alter table public.deletions add column files_accepted jsonb;

-- When the archive of a ready export was last looked for, and since when it has been missing.
alter table public.exports add column checked_at timestamptz;
alter table public.exports add column missing_since timestamptz;
create index exports_to_check on public.exports (checked_at nulls first) where status = 'ready';

-- Events about folders belong to no deletion. `audit_event_text` stays as it is, so the chain of existing events holds.
alter table public.audit_events alter column deletion_id drop not null;
alter table public.audit_events drop constraint audit_events_event_check;
alter table public.audit_events add constraint audit_events_event_check check (event in (
  'deletion.requested', 'deletion.cancelled', 'deletion.claimed', 'deletion.erased', 'deletion.retried',
  'export.ready', 'export.failed', 'mail.undeliverable', 'folder.claimed'));
alter table public.audit_events add constraint audit_events_about_a_deletion
  check (deletion_id is not null or event = 'folder.claimed');
