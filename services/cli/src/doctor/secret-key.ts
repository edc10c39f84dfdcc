import type { Db } from '@lethe/db'
import { deriveKeys, matchesSecretKey } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { type Finding, ok, wrong } from './finding.ts'

const makeAnother =
  "openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' – before there are accounts: what one key has sealed no other opens"

export function checkKeyStrength({ secretKey }: { secretKey: Buffer }): Finding[] {
  const weakness = weaknessOf(secretKey)
  if (weakness === undefined) return [ok('nothing speaks against its being random')]
  return [wrong(`is weak: ${weakness}`, makeAnother)]
}

/**
 * What 32 random bytes show less than once in a million keys, as base64url or as hexadecimal digits. Whoever passes
 * may still have a guessable key: no look at a key proves that it is random.
 */
export function weaknessOf(key: Buffer): string | undefined {
  const text = key.toString('base64url')
  if (/^[\s\x20-\x7e]*$/.test(key.toString('latin1'))) return 'its bytes are readable text'
  for (let period = 1; period <= text.length / 2; period++)
    if (text.startsWith(text.slice(period))) return 'it repeats itself'
  if (new Set(key).size < 16 || new Set(text).size < 10) return 'it has few different bytes'
  if (/[a-z_-]{24}|[A-Z_-]{24}/.test(text)) return 'it is made of words'
  return undefined
}

/** Only looks, where the services would note their key in a database that knows none yet. */
export async function checkKeyAndDatabase({ db, secretKey }: { db: Db; secretKey: Buffer }) {
  const { rows } =
    await sql`select where to_regclass('public.secret_key_check') is not null`.execute(db)
  if (rows.length === 0 || (await matchesSecretKey(db, deriveKeys(secretKey))))
    return [ok('the database was set up with no other')]
  return [
    wrong(
      'it is not the one that this database was set up with',
      'set SECRET_KEY to that one; no process works with another',
    ),
  ]
}
