import { createHmac } from 'node:crypto'
import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import type { Keys } from './keys.ts'

export interface Hit {
  /** This hit and the earlier ones of the same window. */
  hits: number
  /** Milliseconds until the window ends. */
  endsIn: number
}

/**
 * Counts one hit in a window of `seconds` that begins with its first hit. `name` may contain an address, so only a
 * keyed hash of it is stored, and only until the window ends.
 */
export async function countHit(db: Db, keys: Keys, name: string, seconds: number): Promise<Hit> {
  const bucket = createHmac('sha256', keys.buckets).update(name).digest()
  const { rows } = await sql<Hit>`
    insert into public.rate_limits as r (bucket, hits, ends_at)
    values (${bucket}, 1, now() + make_interval(secs => ${seconds}))
    on conflict (bucket) do update set
      hits = case when r.ends_at <= now() then 1 else r.hits + 1 end,
      ends_at = case when r.ends_at <= now() then excluded.ends_at else r.ends_at end
    returning hits, ceil(extract(epoch from ends_at - now()) * 1000)::float8 as "endsIn"`.execute(
    db,
  )
  return rows[0] as Hit
}

const MAX_MAILS_PER_DAY = 10

/**
 * Returns false once an address has received ten mails of this kind within a day, whatever accounts they were about.
 */
export async function consumeMailLimit(
  db: Db,
  keys: Keys,
  mail: string,
  address: string,
): Promise<boolean> {
  const { hits } = await countHit(db, keys, `mail ${mail} ${address.toLowerCase()}`, 24 * 60 * 60)
  return hits <= MAX_MAILS_PER_DAY
}

/** Deletes up to `limit` windows that have ended, and returns how many. */
export async function purgeRateLimits(db: Db, limit = 1_000): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from public.rate_limits where bucket in (
      select bucket from public.rate_limits where ends_at <= now() limit ${limit} for update skip locked)`.execute(
    db,
  )
  return Number(numAffectedRows)
}
