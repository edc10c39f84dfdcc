import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Db } from '@lethe/db'

const purposes = [
  'vault',
  'links',
  'archives',
  'refreshTokens',
  'accessTokens',
  'downloads',
  'buckets',
  'check',
] as const

/** One key for each purpose, derived from SECRET_KEY, so that no key works in place of another. */
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
 * Records this SECRET_KEY as the key of the database if none is recorded. Returns false if another one is: with a
 * wrong key every vault would stay locked and every mailed link would fail, so nothing may run.
 */
export async function adoptSecretKey(db: Db, keys: Keys): Promise<boolean> {
  await db
    .insertInto('secret_key_check')
    .values({ value: checkValue(keys) })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  return matchesSecretKey(db, keys)
}

/** Whether this SECRET_KEY is the recorded one, or none is recorded. Changes nothing. */
export async function matchesSecretKey(db: Db, keys: Keys): Promise<boolean> {
  const known = await db.selectFrom('secret_key_check').select('value').executeTakeFirst()
  return known === undefined || timingSafeEqual(checkValue(keys), known.value)
}

function checkValue(keys: Keys): Buffer {
  return createHmac('sha256', keys.check).update('lethe').digest()
}
