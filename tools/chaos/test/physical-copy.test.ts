import { randomBytes } from 'node:crypto'
import { cp, readdir, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { dataMap } from '@lethe/accounts'
import {
  guardFolders,
  openMarkedFolders,
  openStorage,
  removeOrphanedArchives,
} from '@lethe/archive'
import { connect, type Db, migrate } from '@lethe/db'
import { startPostgres } from '@lethe/dev-env'
import { sql } from 'kysely'
import t from 'tap'

t.setTimeout(180_000)

const log = { warn: () => {} }

t.test('a diverged physical copy removes no archive of production', async (t) => {
  const folder = t.testdir()
  const [one, two] = [path.join(folder, 'one'), path.join(folder, 'two')]
  const exportDir = path.join(folder, 'exports')
  const dirs = { exportDir, uploadDir: path.join(folder, 'uploads') }
  const first = await startPostgres({ dataDir: one, settings: { fsync: 'off' } })
  const seed = connect(first.url)
  await migrate(seed)
  await guardFolders({ db: seed, map: dataMap, folders: openMarkedFolders(dirs), log }).start()
  // An attempt in progress at the moment of the copy.
  const underWay = await attempt(seed, exportDir, 'pending')
  await seed.destroy()
  await first.stop()
  await cp(one, two, { recursive: true })
  const [production, other] = [
    await startPostgres({ dataDir: one, settings: { fsync: 'off' } }),
    await startPostgres({ dataDir: two, settings: { fsync: 'off' } }),
  ]
  t.teardown(() => Promise.all([production.stop(), other.stop()]))
  const [db, copy] = [connect(production.url), connect(other.url)]
  t.teardown(() => Promise.all([db.destroy(), copy.destroy()]))
  const guard = guardFolders({ db: copy, map: dataMap, folders: openMarkedFolders(dirs), log })
  t.equal(await guard.start(), undefined, 'the marks cannot tell them apart')
  const since = await attempt(db, exportDir, 'pending')
  const own = await attempt(copy, exportDir, 'pending')
  await sql`update public.exports set status = 'withdrawn', token_nonce = null where id = ${own.slice(0, 36)}`.execute(
    copy,
  )
  await sql`update lethe.archive_attempts set begun_at = begun_at - interval '3 days', next_check_at = now()`.execute(
    copy,
  )
  const longAgo = new Date(Date.now() - 3 * 24 * 60 * 60 * 1_000)
  for (const name of await readdir(exportDir))
    await utimes(path.join(exportDir, name), longAgo, longAgo)
  t.equal(await removeOrphanedArchives(copy, openStorage(exportDir)), 1)
  t.strictSame(
    new Set(await readdir(exportDir)),
    new Set(['.lethe-database', underWay, since]),
    'its own alone has gone',
  )
})

/** Records an attempt of an export and writes its file; returns the file's name. */
async function attempt(db: Db, exportDir: string, status: 'pending'): Promise<string> {
  const [id, lease, hash] = [crypto.randomUUID(), crypto.randomUUID(), randomBytes(32)]
  await db
    .insertInto('exports')
    .values({ id, status, user_id: await nextPerson(db), token_hash: hash, token_nonce: hash })
    .execute()
  await sql`insert into lethe.archive_attempts (export_id, lease) values (${id}, ${lease})`.execute(
    db,
  )
  const name = `${id}.${lease}.zip.age`
  await writeFile(path.join(exportDir, name), 'sealed')
  return name
}

async function nextPerson(db: Db): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*) + 1 as n from public.exports`.execute(
    db,
  )
  return Number(rows[0]?.n)
}
