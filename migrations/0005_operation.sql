-- Proof that a process holds the same SECRET_KEY as the first one did; a different key would lock every vault and break every link.
create table secret_key_check (
  singleton boolean primary key default true check (singleton),
  value     bytea not null
);

-- Counters of the limits on callers and accounts. `bucket` is a keyed hash: no address can be read from it.
-- Unlogged: after a crash of the database the counting starts anew, which harms nobody.
create unlogged table rate_limits (
  bucket  bytea primary key,
  hits    integer not null,
  ends_at timestamptz not null
);
create index rate_limits_ends_at on rate_limits (ends_at);
