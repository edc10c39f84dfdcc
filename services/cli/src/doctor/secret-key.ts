import type { Db } from '@lethe/db'
import { deriveKeys, matchesSecretKey } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { type Finding, ok, wrong } from './finding.ts'

const newKeyCommand =
  "openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' – but only while there are no accounts: no other key can open what this one has sealed"

export function checkKeyStrength({ secretKey }: { secretKey: Buffer }): Finding[] {
  const weakness = weaknessOf(secretKey)
  if (weakness === undefined) return [ok('it shows no sign of being guessable')]
  return [wrong(`is weak: ${weakness}`, newKeyCommand)]
}

/**
 * Detects patterns that fewer than one in a million random 32-byte keys show, as base64url or hexadecimal digits. A key
 * that passes may still be guessable: no check can prove that a key is random.
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

/** Reads only: unlike the services it does not record the key in a database that has none yet. */
export async function checkKeyAndDatabase({ db, secretKey }: { db: Db; secretKey: Buffer }) {
  const { rows } =
    await sql`select where to_regclass('public.secret_key_check') is not null`.execute(db)
  if (rows.length === 0 || (await matchesSecretKey(db, deriveKeys(secretKey))))
    return [ok('the database was not set up with a different key')]
  return [
    wrong(
      'this database was set up with a different key',
      'set SECRET_KEY to the key of that setup; no service starts with a different one',
    ),
  ]
}
