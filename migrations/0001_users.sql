-- A person. Everything that is theirs hangs on this row by an indexed foreign key that cascades;
-- what must outlive it (deletions, exports, audit events) does not.
-- HTTP speaks of ids as JSON numbers, so none may grow past 2^53 - 1.
create table users (
  id            bigint generated always as identity primary key check (id between 1 and 9007199254740991),
  email         text not null check (length(email) between 3 and 254 and email !~ '[[:space:][:cntrl:]]'),
  display_name  text check (length(display_name) <= 100),
  password_hash text not null check (password_hash like '$argon2id$%'),
  role          text not null default 'member' check (role in ('member', 'administrator')),
  active        boolean not null default true,
  created_at    timestamptz not null default now()
);

-- A deactivated account keeps its row, and with it its address, until it is erased.
-- Letters of ASCII alone, whatever the locale of the database: an `I` must be found again as `i` everywhere.
create unique index users_email_key on users (lower(email collate "C"));

-- Product code reads this view, so that a deactivated account cannot leak by a forgotten filter.
create view active_users as
  select id, email, display_name, password_hash, role, created_at from users where active;

-- One row per log-in. `authenticated_at` is when the password was last shown: refreshing does not move it.
create table sessions (
  id               uuid primary key default gen_random_uuid(),
  user_id          bigint not null references users on delete cascade,
  kind             text not null check (kind in ('cookie', 'refresh')),
  token_hash       bytea not null unique check (octet_length(token_hash) = 32),
  authenticated_at timestamptz not null default now(),
  expires_at       timestamptz not null
);
create index sessions_user_id on sessions (user_id);
create index sessions_expires_at on sessions (expires_at);

-- The key that opens one person's saved passwords, itself sealed under a key derived from SECRET_KEY.
-- A schema of its own, so that an ordinary backup can leave it out: without this row,
-- and only as far as no copy of it is at hand, older copies of the sealed passwords stay closed.
create schema vault;
create table vault.person_keys (
  user_id    bigint primary key references users on delete cascade,
  sealed_key bytea not null
);

-- `secret` is AES-256-GCM under the person's key: nonce (12), ciphertext, tag (16).
create table saved_passwords (
  id         uuid primary key,
  user_id    bigint not null references users on delete cascade,
  site       text not null check (length(site) <= 2048),
  username   text not null check (length(username) <= 2048),
  secret     bytea not null check (octet_length(secret) >= 28),
  created_at timestamptz not null default now()
);
create index saved_passwords_user_id on saved_passwords (user_id);

-- The image itself lies in UPLOAD_DIR/<user_id>/<file_name>: erasing the folder leaves no stray file behind.
create table avatars (
  user_id      bigint primary key references users on delete cascade,
  file_name    text not null,
  content_type text not null check (content_type in ('image/png', 'image/jpeg', 'image/webp')),
  bytes        integer not null check (bytes between 1 and 2097152),
  created_at   timestamptz not null default now()
);
