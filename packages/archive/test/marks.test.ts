import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { dataMap } from '@lethe/accounts'
import { connect, type Db } from '@lethe/db'
import { sealAuditEvents, verifyAuditChain } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import {
  checkFolderMark,
  claimFolders,
  type FolderState,
  guardFolders,
  openMarkedFolders,
} from '../src/index.ts'
import { startS3, withS3 } from '../testing/index.ts'
import { addUser, createTestContext, putAvatar, type TestContext } from './setup.ts'
import { addExport, createTestArchive } from './test-archive.ts'

t.setTimeout(120_000)

const MARK = '.lethe-database'

t.test('the first start marks an empty folder, which only its owner can read', async (t) => {
  const ctx = await createTestContext(t)
  const dirs = createDirs(ctx, t)
  t.strictSame(await readStates(ctx.db, dirs), ['unmarked 0', 'unmarked 0'])
  const { guard, warnings } = createGuard(ctx.db, dirs)
  t.equal(await guard.start(), undefined)
  t.equal(await guard.findProblem(), undefined)
  t.strictSame(await readStates(ctx.db, dirs), ['ours', 'ours'])
  t.equal((await stat(dirs.uploadDir)).mode & 0o777, 0o700)
  t.equal((await stat(path.join(dirs.uploadDir, MARK))).mode & 0o777, 0o600)
  t.strictSame(warnings, [])
})

t.test('rejects another database with a line that names the variable and the remedy', async (t) => {
  const [ctx, other] = [await createTestContext(t), await createTestContext(t)]
  const dirs = createDirs(ctx, t)
  await createGuard(ctx.db, dirs).guard.start()
  t.strictSame(await readStates(other.db, dirs), ['foreign', 'foreign'], 'a copy by template')
  const { guard } = createGuard(other.db, dirs)
  const says = /^EXPORT_DIR belongs to another database.*folders claim --reason "…"`\.$/
  t.match(await guard.start(), says)
  t.match(await guard.findProblem(), says)
  const markOf = async () => readFile(path.join(dirs.exportDir, MARK), 'utf8')
  const mark = await markOf()
  await guard.start()
  t.equal(await markOf(), mark, 'it changes nothing')
})

t.test('a dump restored in another cluster is another database', async (t) => {
  const ctx = await createTestContext(t)
  const dirs = createDirs(ctx, t)
  await createGuard(ctx.db, dirs).guard.start()
  for (const [variable, place] of [
    ['system', 0],
    ['database', 1],
    ['id', 0],
  ] as const) {
    const file = path.join(place === 0 ? dirs.exportDir : dirs.uploadDir, MARK)
    const before = await readFile(file, 'utf8')
    const mark = JSON.parse(before)
    await writeFile(file, JSON.stringify({ ...mark, [variable]: crypto.randomUUID() }))
    t.equal((await readStates(ctx.db, dirs))[place], 'foreign', variable)
    await writeFile(file, before)
  }
})

t.test('many processes that start at once agree on one mark', async (t) => {
  const ctx = await createTestContext(t)
  const other = await createTestContext(t)
  const dirs = createDirs(ctx, t)
  const starts = [ctx, other, ctx, other, ctx, other].map(({ db }) =>
    createGuard(db, dirs).guard.start(),
  )
  const lines = await Promise.all(starts)
  const own = lines.filter((_, place) => place % 2 === 0)
  const others = lines.filter((_, place) => place % 2 === 1)
  const started = [own, others].map((all) => all.filter((line) => line === undefined).length)
  // Each database may have marked one of the two folders: then neither may start.
  t.ok(
    started.every((count) => count === 0 || count === 3) && !started.every((count) => count === 3),
  )
})

t.test('marks a folder only if it has every file that the rows name', async (t) => {
  const ctx = await createTestArchive(t)
  const { db, made, exportDir, uploadDir } = ctx
  await addExport(ctx, { status: 'ready', file_name: made.fileName })
  const people = [await addUser(db, 'bob'), await addUser(db, 'carl')]
  for (const id of people) await putAvatar(ctx, id, Buffer.from('a picture'))
  const dirs = { exportDir, uploadDir }
  t.strictSame(await readStates(db, dirs), ['unmarked 0', 'unmarked 0'])

  await rename(exportDir, `${exportDir}-elsewhere`)
  await rm(path.join(uploadDir, String(people[0])), { recursive: true })
  t.strictSame(await readStates(db, dirs), ['unmarked 1', 'unmarked 1'])
  const { guard } = createGuard(db, dirs)
  t.match(await guard.start(), /^EXPORT_DIR has no mark .*, and 1 of the files .* folders claim/)
  t.strictSame(await readStates(db, dirs), ['unmarked 1', 'unmarked 1'], 'it stays without a mark')

  await rename(`${exportDir}-elsewhere`, exportDir)
  t.match(await guard.start(), /^UPLOAD_DIR has no mark .*, and 1 of the files/)
  await db
    .deleteFrom('avatars')
    .where('user_id', '=', people[0] ?? 0)
    .execute()
  t.equal(await guard.start(), undefined)
})

t.test('reports a wrong folder while a service runs, and recovers', async (t) => {
  const [ctx, other] = [await createTestContext(t), await createTestContext(t)]
  const [dirs, others] = [createDirs(ctx, t), createDirs(other, t, 'other-')]
  const { guard } = createGuard(ctx.db, dirs)
  await guard.start()
  await createGuard(other.db, others).guard.start()
  const swap = async (one: string, another: string) => {
    await rename(one, `${one}-aside`)
    await rename(another, one)
    await rename(`${one}-aside`, another)
  }
  await swap(dirs.uploadDir, others.uploadDir)
  t.match(await guard.findProblem(), /^UPLOAD_DIR belongs to another database/)
  await swap(dirs.uploadDir, others.uploadDir)
  t.equal(await guard.findProblem(), undefined)
  await rename(path.join(dirs.exportDir, MARK), path.join(dirs.exportDir, 'moved'))
  t.match(await guard.findProblem(), /^EXPORT_DIR has lost its mark/)
  await rename(path.join(dirs.exportDir, 'moved'), path.join(dirs.exportDir, MARK))
  t.equal(await guard.findProblem(), undefined)
})

t.test('waits for an unreachable folder', async (t) => {
  const ctx = await createTestContext(t)
  const dirs = createDirs(ctx, t)
  await writeFile(dirs.exportDir, 'a file in its place')
  const { guard } = createGuard(ctx.db, dirs)
  t.equal(await guard.start(), undefined, 'no reason to end the process')
  t.match(await guard.findProblem(), /^EXPORT_DIR cannot be read or written \(E/)
  await rm(dirs.exportDir)
  t.equal(await guard.findProblem(), undefined)
  t.strictSame(await readStates(ctx.db, dirs), ['ours', 'ours'])
})

t.test('waits for a database that is unreachable or not migrated yet', async (t) => {
  const ctx = await createTestContext(t)
  const dirs = createDirs(ctx, t)
  const away = connect('postgres://127.0.0.1:1/lethe')
  t.teardown(() => away.destroy())
  t.equal(await createGuard(away, dirs).guard.start(), undefined)
  await sql`alter table lethe.folder_owner rename to hidden`.execute(ctx.db)
  const { guard } = createGuard(ctx.db, dirs)
  t.equal(await guard.start(), undefined)
  t.match(await guard.findProblem(), /has not been checked yet/)
  await sql`alter table lethe.hidden rename to folder_owner`.execute(ctx.db)
  t.equal(await guard.findProblem(), undefined)
})

t.test('treats an empty mark as none, and other text as damaged', async (t) => {
  const ctx = await createTestContext(t)
  const dirs = createDirs(ctx, t)
  await mkdir(dirs.exportDir)
  const file = path.join(dirs.exportDir, MARK)
  await writeFile(file, '')
  t.equal(await createGuard(ctx.db, dirs).guard.start(), undefined)
  t.equal((await readStates(ctx.db, dirs))[0], 'ours')
  await writeFile(file, '{"id": 1}')
  t.match(await createGuard(ctx.db, dirs).guard.start(), /^EXPORT_DIR has a mark .* cannot be read/)
})

t.test('a role that cannot read the system identifier works, with a warning', async (t) => {
  const ctx = await createTestContext(t)
  const dirs = createDirs(ctx, t)
  const name = `lethe_role_${crypto.randomUUID().slice(0, 8)}`
  await sql`create role ${sql.id(name)} login`.execute(ctx.db)
  await sql`grant usage on schema lethe to ${sql.id(name)}`.execute(ctx.db)
  await sql`grant select on all tables in schema lethe to ${sql.id(name)}`.execute(ctx.db)
  await sql`grant select on all tables in schema public to ${sql.id(name)}`.execute(ctx.db)
  await sql`revoke execute on function pg_control_system() from public`.execute(ctx.db)
  const role = ctx.db.connection()
  await role.execute(async (own) => {
    await sql`set role ${sql.id(name)}`.execute(own)
    const { guard, warnings } = createGuard(own, dirs)
    t.equal(await guard.start(), undefined)
    t.strictSame(warnings, ['folder.cluster-unknown', 'folder.cluster-unknown'])
    const mark = JSON.parse(await readFile(path.join(dirs.exportDir, MARK), 'utf8'))
    t.equal(mark.system, null)
    await sql`reset role`.execute(own)
  })
  t.strictSame(
    await readStates(ctx.db, dirs),
    ['ours', 'ours'],
    'the mark matches for a role that can',
  )
  await sql`drop owned by ${sql.id(name)}`.execute(ctx.db)
  await sql`drop role ${sql.id(name)}`.execute(ctx.db)
})

t.test('a claim binds the folders, is audited, and locks out the other database', async (t) => {
  const other = await createTestContext(t)
  const ctx = await createTestArchive(t)
  const dirs = { exportDir: ctx.exportDir, uploadDir: ctx.uploadDir }
  await createGuard(other.db, dirs).guard.start()
  await sealAuditEvents(ctx.db)
  const head = await verifyAuditChain(ctx.db)
  const { fileName } = ctx.made
  await addExport(ctx, { status: 'ready', file_name: fileName })
  await rm(path.join(ctx.exportDir, fileName))

  const claimed = await claimFolders(
    ctx.db,
    openMarkedFolders(dirs),
    dataMap,
    'moved to a new disk',
  )
  t.strictSame(claimed, [
    { variable: 'EXPORT_DIR', was: 'foreign', missing: 1 },
    { variable: 'UPLOAD_DIR', was: 'foreign', missing: 0 },
  ])
  t.equal(await createGuard(ctx.db, dirs).guard.start(), undefined)
  t.match(
    await createGuard(other.db, dirs).guard.start(),
    /^EXPORT_DIR belongs to another database/,
  )
  await sealAuditEvents(ctx.db)
  const chain = await verifyAuditChain(ctx.db)
  t.match(chain, { brokenAt: undefined, sealed: head.sealed + 2 })
  const events = await ctx.db
    .selectFrom('audit_events')
    .select(['deletion_id', 'details'])
    .where('event', '=', 'folder.claimed')
    .orderBy('id')
    .execute()
  t.match(events, [
    {
      deletion_id: null,
      details: { folder: 'EXPORT_DIR', was: 'foreign', missing: 1, reason: 'moved to a new disk' },
    },
    { deletion_id: null, details: { folder: 'UPLOAD_DIR', missing: 0 } },
  ])
})

t.test('a claim that cannot write one folder leaves the database unchanged', async (t) => {
  const ctx = await createTestContext(t)
  const dirs = createDirs(ctx, t)
  await createGuard(ctx.db, dirs).guard.start()
  const missing = { ...dirs, uploadDir: path.join(dirs.exportDir, MARK, 'below') }
  await t.rejects(claimFolders(ctx.db, openMarkedFolders(missing), dataMap, 'why'), /UPLOAD_DIR/)
  t.strictSame(await readStates(ctx.db, dirs), ['ours', 'ours'])
})

t.test('marks a bucket below its prefix', withS3, async (t) => {
  const server = await startS3(t)
  const [ctx, other] = [await createTestContext(t), await createTestContext(t)]
  const bucket = await server.bucket()
  const dirs = { ...createDirs(ctx, t), exportDir: server.urlOf(bucket, 'lethe/archives') }
  const { guard } = createGuard(ctx.db, dirs)
  t.equal(await guard.start(), undefined)
  t.equal(await guard.findProblem(), undefined)
  const { Contents = [] } = await server.s3.listObjectsV2({ Bucket: bucket })
  t.strictSame(
    Contents.map(({ Key }) => Key),
    [`lethe/archives/${MARK}`],
  )
  t.match(
    await createGuard(other.db, dirs).guard.start(),
    /^EXPORT_DIR belongs to another database/,
  )
  const next = { ...dirs, exportDir: server.urlOf(bucket, 'staging') }
  t.equal(
    await createGuard(other.db, { ...next, uploadDir: `${dirs.uploadDir}-2` }).guard.start(),
    undefined,
  )
  const folders = openMarkedFolders({ ...dirs, uploadDir: `${dirs.uploadDir}-2` })
  t.match(await claimFolders(other.db, folders, dataMap, 'moved'), [{ was: 'foreign' }, {}])
  const gone = { ...dirs, exportDir: server.urlOf(bucket, 'x', 'http://127.0.0.1:1') }
  const { guard: waits } = createGuard(ctx.db, gone)
  t.equal(await waits.start(), undefined, 'waits for an unreachable bucket')
  t.match(await waits.findProblem(), /^EXPORT_DIR (cannot be read|is still being checked)/)
})

interface Dirs {
  exportDir: string
  uploadDir: string
}

function createDirs(_ctx: TestContext, t: Test, prefix = ''): Dirs {
  const folder = t.testdirName
  return {
    exportDir: path.join(folder, `${prefix}exports`),
    uploadDir: path.join(folder, `${prefix}uploads`),
  }
}

function createGuard(db: Db, dirs: Dirs) {
  const warnings: string[] = []
  const log = { warn: (_facts: object, text: string) => void warnings.push(text) }
  return {
    guard: guardFolders({ db, map: dataMap, folders: openMarkedFolders(dirs), log }),
    warnings,
  }
}

async function readStates(db: Db, dirs: Dirs): Promise<string[]> {
  const words = (state: FolderState) =>
    state.is === 'unmarked' ? `unmarked ${state.missing}` : state.is
  const states = openMarkedFolders(dirs).map((folder) => checkFolderMark(db, folder, dataMap))
  return (await Promise.all(states)).map(words)
}
