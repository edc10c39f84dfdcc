-- An archive can be asked for on its own, too: then no deletion promised it, and its time runs from when it was made.
alter table exports alter column deletion_id drop not null;
alter table exports add column requested_at timestamptz not null default now();
-- One of them at a time.
create unique index exports_own_pending on exports (user_id) where deletion_id is null and status = 'pending';

-- How often whoever had the link fetched it, and when last: once for each time that it was opened, in however many parts.
alter table exports add column downloads integer not null default 0;
alter table exports add column downloaded_at timestamptz;
alter table exports add column last_ticket uuid;
alter table exports add constraint exports_downloaded check ((downloads = 0) = (downloaded_at is null));

-- A mail tells of a deletion, or of an archive that was asked for on its own.
alter table outbox alter column deletion_id drop not null;
alter table outbox add column export_id uuid references exports;
alter table outbox add constraint outbox_tells_of_one check (num_nonnulls(deletion_id, export_id) = 1);
create index outbox_export_id on outbox (export_id) where export_id is not null;

-- Archives of before lie unsealed. They are made anew where their deletion is pending, and end where it is over.
update exports e
set status = case when d.status = 'pending' then 'pending' else 'expired' end,
  token_nonce = case when d.status = 'pending' then e.token_nonce end,
  file_name = null, created_at = null, expires_at = null, bytes = null, sha256 = null, lease = null, next_attempt_at = now()
from deletions d where d.id = e.deletion_id and e.status = 'ready';
