import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { testDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import t from 'tap'
import { dataMap } from '../src/data-map.ts'
import { countFiles, countRows, eraseRows, filesFolder, removeFiles } from '../src/index.ts'

t.test('every foreign key to users is in the data map, cascades and is indexed', async (t) => {
  const { db } = await testDb(t)
  const { rows } = await sql<{
    table: string
    column: string
    cascades: boolean
    indexed: boolean
  }>`
    select case n.nspname when 'public' then '' else n.nspname || '.' end || c.relname as table,
      a.attname as column, k.confdeltype = 'c' as cascades,
      exists (select from pg_index i where i.indrelid = c.oid and i.indkey[0] = a.attnum) as indexed
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.confrelid = 'users'::regclass`.execute(db)
  const mapped = dataMap
    .filter(({ table }) => table !== 'users')
    .map(({ table, column }) => ({ table, column }))
  const byTable = (a: { table: string }, b: { table: string }) => a.table.localeCompare(b.table)
  t.strictSame(
    rows.sort(byTable),
    mapped.sort(byTable).map((entry) => ({ ...entry, cascades: true, indexed: true })),
  )
})

t.test('an erasure takes what the count promised, of these people and nobody else', async (t) => {
  const { db } = await testDb(t)
  const [ada, bob, eve] = [await person(), await person(), await person()]
  async function person() {
    const { id } = await db
      .insertInto('users')
      .values({ email: `${crypto.randomUUID()}@example.com`, password_hash: '$argon2id$' })
      .returning('id')
      .executeTakeFirstOrThrow()
    await sql`insert into saved_passwords (id, user_id, site, username, secret)
      select gen_random_uuid(), ${id}, 's', 'u', repeat('x', 30)::bytea from generate_series(1, 3)`.execute(
      db,
    )
    await sql`insert into vault.person_keys values (${id}, 'sealed')`.execute(db)
    return id
  }
  const promised = await countRows(db, ada)
  const counts = await db.transaction().execute((tx) => eraseRows(tx, [ada, bob]))
  t.strictSame(counts.get(ada), { tables: promised, files: 0, bytes: 0 })
  t.strictSame(promised, {
    'vault.person_keys': 1,
    saved_passwords: 3,
    sessions: 0,
    avatars: 0,
    users: 1,
  })
  t.strictSame(await countRows(db, eve), promised)
  t.match(await countRows(db, bob), { users: 0, saved_passwords: 0 })
})

t.test('files go with their folder, strays too; a second run finds nothing', async (t) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'lethe-'))
  t.teardown(() => rm(dir, { recursive: true }))
  for (const id of [1, 11]) {
    await mkdir(filesFolder(dir, id))
    await writeFile(path.join(filesFolder(dir, id), 'avatar.png'), 'image')
    await writeFile(path.join(filesFolder(dir, id), 'stray.png.part'), 'ima')
  }
  t.strictSame(await countFiles(dir, 1), { files: 2, bytes: 8 })
  // A file that went between the list and the look at it is one that leads nowhere.
  await symlink('nowhere', path.join(filesFolder(dir, 1), 'vanished.png'))
  t.strictSame(await countFiles(dir, 1), { files: 2, bytes: 8 })
  await removeFiles(dir, 1)
  await removeFiles(dir, 1)
  t.strictSame(await countFiles(dir, 1), { files: 0, bytes: 0 })
  t.strictSame(await readdir(dir), ['11'])
  for (const id of [0, -1, 1.5, Number.NaN]) t.throws(() => filesFolder(dir, id))
})
