import { randomUUID } from 'node:crypto'
import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** The environment of a benchmark: a database and a PostgreSQL server of its own; `log` is the server's log file. */
export interface BenchEnvironment {
  db: Db
  databaseUrl: string
  folder: string
  log: string
}

/** Inserts people with a key, a picture, a session and `savedPasswords` saved passwords; returns their ids. */
export async function makePeople(db: Db, count: number, savedPasswords: number): Promise<number[]> {
  const mark = randomUUID()
  const { rows } = await sql<{ id: number }>`
    with made as (
      insert into public.users (email, password_hash)
      select ${mark} || '-' || n || '@bench.example', '$argon2id$' from generate_series(1, ${count}::int) as n
      returning id
    ), keys as (
      insert into vault.person_keys (user_id, sealed_key) select id, '\\x00' from made
    ), pictures as (
      insert into public.avatars (user_id, file_name, content_type, bytes) select id, 'a.png', 'image/png', 1 from made
    ), entered as (
      insert into public.sessions (user_id, kind, token_hash, expires_at)
      select id, 'cookie', sha256((${mark} || id)::bytea), now() + interval '1 day' from made
    ), saved as (
      insert into public.saved_passwords (id, user_id, site, username, secret)
      select gen_random_uuid(), id, 'https://site-' || n || '.example', 'me', decode(repeat('00', 40), 'hex')
      from made, generate_series(1, ${savedPasswords}::int) as n
    )
    select id from made order by id`.execute(db)
  return rows.map(({ id }) => id)
}

/**
 * Inserts deletions that these people requested a month ago. Their exports count as failed, because they are not
 * measured.
 */
export async function deletionsDue(db: Db, ids: number[]): Promise<void> {
  await sql`
    with off as (
      update public.users set active = false where id = any(${ids}::bigint[]) returning id
    ), asked as (
      insert into public.deletions (user_id, requested_at, erase_after, next_attempt_at, token_nonce, token_hash)
      select id, now() - interval '30 days', now() - interval '3 days', now(), sha256(id::text::bytea),
        sha256(('t' || id)::bytea) from off
      returning id, user_id
    )
    insert into public.exports (deletion_id, user_id, status, token_hash)
    select id, user_id, 'failed', sha256(('e' || id)::text::bytea) from asked`.execute(db)
}
