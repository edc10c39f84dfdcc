import { connect } from '@lethe/db'
import { sql } from 'kysely'

/**
 * Inserts due, pending deletions of established accounts with one statement, without their users. Runs VACUUM, as
 * autovacuum would.
 */
export async function insertDueDeletions(databaseUrl: string, deletions: number): Promise<void> {
  // This connection has no statement timeout.
  const db = connect(databaseUrl, { max: 1 })
  try {
    await sql`
      insert into public.deletions (user_id, requested_at, erase_after, next_attempt_at, token_nonce, token_hash)
      select 1000000000 + i, now() - interval '28 days' - i * interval '1 second', now() - interval '1 hour',
        now() - interval '1 hour', sha256(i::text::bytea), sha256(i::text::bytea)
      from generate_series(1, ${deletions}::integer) as i`.execute(db)
    await sql`vacuum (analyze) public.deletions`.execute(db)
  } finally {
    await db.destroy()
  }
}
