--                request                    claim, once erase_after has passed        finish
-- (user active) ─────────▶ pending ──────────────────────────────▶ erasing ──────────────▶ erased
--                             │ cancel, while pending
--                             ▼
--                         cancelled
--
-- The row outlives the user as a tombstone: times, counts, the hash of its token, and no user_id.
-- Work on it is leased: whoever holds `lease` may act until `next_attempt_at`; then it is anybody's again.
create table deletions (
  id               uuid primary key default gen_random_uuid(),
  user_id          bigint,
  status           text not null default 'pending' check (status in ('pending', 'cancelled', 'erasing', 'erased')),
  requested_at     timestamptz not null default now(),
  erase_after      timestamptz not null check (erase_after >= requested_at),
  next_reminder_at timestamptz check (next_reminder_at < erase_after),
  cancelled_at     timestamptz check (cancelled_at >= requested_at),
  claimed_at       timestamptz check (claimed_at >= erase_after),
  erased_at        timestamptz check (erased_at >= claimed_at),
  token_nonce      bytea check (octet_length(token_nonce) = 32),
  token_hash       bytea not null unique check (octet_length(token_hash) = 32),
  erased_counts    jsonb,
  lease            uuid,
  next_attempt_at  timestamptz not null,
  attempts         integer not null default 0,
  check ((status = 'cancelled') = (cancelled_at is not null)),
  check ((status in ('erasing', 'erased')) = (claimed_at is not null)),
  check ((status = 'erased') = (erased_at is not null)),
  check ((status = 'erased') = (erased_counts is not null)),
  check (status <> 'erased' or user_id is null),
  check (status in ('cancelled', 'erased') or user_id is not null),
  check (status not in ('cancelled', 'erased') or token_nonce is null)
);

-- A user has at most one deletion that is not over.
create unique index deletions_open on deletions (user_id) where status in ('pending', 'erasing');
create index deletions_user_id on deletions (user_id);
create index deletions_due on deletions (next_attempt_at) where status in ('pending', 'erasing');
create index deletions_overdue on deletions (erase_after) where status in ('pending', 'erasing');
create index deletions_reminder on deletions (next_reminder_at) where status = 'pending';
create index deletions_lease on deletions (lease) where lease is not null;

-- The archive that a deletion promises. It outlives the user until it expires, and hangs on nobody.
create table exports (
  id              uuid primary key default gen_random_uuid(),
  deletion_id     uuid not null unique references deletions,
  user_id         bigint,
  status          text not null default 'pending' check (status in ('pending', 'ready', 'failed', 'withdrawn', 'expired')),
  created_at      timestamptz,
  expires_at      timestamptz,
  file_name       text,
  bytes           bigint check (bytes > 0),
  sha256          bytea check (octet_length(sha256) = 32),
  token_nonce     bytea check (octet_length(token_nonce) = 32),
  token_hash      bytea not null unique check (octet_length(token_hash) = 32),
  lease           uuid,
  next_attempt_at timestamptz not null default now(),
  attempts        integer not null default 0,
  check (status <> 'pending' or (user_id is not null and token_nonce is not null and file_name is null)),
  check (status <> 'ready' or (created_at is not null and expires_at is not null and file_name is not null
                               and bytes is not null and sha256 is not null and token_nonce is not null)),
  check (status in ('pending', 'ready') or token_nonce is null)
);
create index exports_user_id on exports (user_id);
create index exports_to_make on exports (next_attempt_at) where status = 'pending';
create index exports_to_expire on exports (expires_at) where status = 'ready';
create index exports_to_remove on exports (next_attempt_at) where file_name is not null and status in ('failed', 'withdrawn', 'expired');
create unique index exports_file_name on exports (file_name) where file_name is not null;
create index exports_lease on exports (lease) where lease is not null;
