import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createHasher } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { tokenHash } from '@lethe/lifecycle'
import { sql } from 'kysely'

/** A person with a new session, two saved passwords and possibly a picture. */
export interface TestPerson {
  id: number
  address: string
  /** The value of their session cookie. */
  cookie: string
}

export const password = 'correct horse battery staple'

// Argon2 is slow on purpose; all people of a run share one password and its hash.
const hashed = createHasher().then((hasher) => hasher.hash(password))

interface Wish {
  /** One of this many people has a picture; 0: none. */
  pictureOf?: number
  savedPasswords?: number
}

let made = 0

/**
 * Inserts people as the API would create them, without the cost of argon2 and requests: a run begins with the deletion.
 * Their saved passwords are sealed with an unusable key; no run opens them.
 */
export async function makePeople(
  db: Db,
  uploadDir: string,
  count: number,
  { pictureOf = 4, savedPasswords = 2 }: Wish = {},
): Promise<TestPerson[]> {
  const people = Array.from({ length: count }, () => {
    const name = `p${++made}-${randomBytes(4).toString('hex')}`
    return { address: `${name}@people.example`, cookie: randomBytes(32).toString('base64url') }
  })
  const { rows } = await sql<{ id: number; address: string }>`
    with made as (
      insert into public.users (email, password_hash)
      select address, ${await hashed} from unnest(${people.map(({ address }) => address)}::text[]) as p (address)
      returning id, email
    ), keys as (
      insert into vault.person_keys (user_id, sealed_key) select id, '\\x00' from made
    ), saved as (
      insert into public.saved_passwords (id, user_id, site, username, secret)
      select gen_random_uuid(), id, 'https://site-' || n || '.example', 'me', decode(repeat('00', 30), 'hex')
      from made, generate_series(1, ${savedPasswords}::int) as n
    ), entered as (
      insert into public.sessions (user_id, kind, token_hash, expires_at)
      select made.id, 'cookie', hash, now() + interval '1 day'
      from made join unnest(${people.map(({ address }) => address)}::text[],
        ${people.map(({ cookie }) => tokenHash(cookie))}::bytea[]) as p (address, hash) on address = email
    )
    select id, email as address from made`.execute(db)
  const ids = new Map(rows.map(({ id, address }) => [address, id]))
  const all = people.map((person) => ({ ...person, id: ids.get(person.address) ?? 0 }))
  if (pictureOf > 0)
    await addPictures(
      db,
      uploadDir,
      all.filter((_, n) => n % pictureOf === 0),
    )
  return all
}

async function addPictures(db: Db, uploadDir: string, people: TestPerson[]): Promise<void> {
  const picture = Buffer.from('89504e470d0a1a0a0000', 'hex')
  for (const { id } of people) {
    const folder = path.join(uploadDir, String(id))
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(path.join(folder, 'picture.png'), picture)
  }
  await sql`
    insert into public.avatars (user_id, file_name, content_type, bytes)
    select id, 'picture.png', 'image/png', ${picture.length}
    from unnest(${people.map(({ id }) => id)}::bigint[]) as p (id)`.execute(db)
}
