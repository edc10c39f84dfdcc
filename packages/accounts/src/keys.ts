import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Db } from '@lethe/db'

const purposes = [
  'vault',
  'links',
  'refreshTokens',
  'accessTokens',
  'downloads',
  'buckets',
  'check',
] as const

/** One key for each purpose, all derived from SECRET_KEY, so that none can stand in for another. */
export type Keys = Record<(typeof purposes)[number], Buffer>

/** HKDF-SHA-256 (RFC 5869) with the purpose as `info`. */
export function deriveKeys(secretKey: Buffer): Keys {
  return Object.fromEntries(
    purposes.map((purpose) => [
      purpose,
      Buffer.from(hkdfSync('sha256', secretKey, '', `lethe ${purpose}`, 32)),
    ]),
  ) as Keys
}

/**
 * Whether this is the SECRET_KEY that the database has known since its first start.
 * With another one every vault would stay locked and every mailed link would be dead: nothing should start.
 */
export async function isKnownSecretKey(db: Db, keys: Keys): Promise<boolean> {
  const value = createHmac('sha256', keys.check).update('lethe').digest()
  await db
    .insertInto('secret_key_check')
    .values({ value })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const known = await db.selectFrom('secret_key_check').select('value').executeTakeFirstOrThrow()
  return timingSafeEqual(value, known.value)
}
