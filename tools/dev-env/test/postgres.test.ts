import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect } from '@lethe/db'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { isAlive } from '../src/is-alive.ts'
import { startPostgres } from '../src/postgres.ts'
import { canRun, type RunAs, rootAlternatives } from '../src/run-unprivileged.ts'

const uid = process.getuid?.() ?? -1
const settings = { fsync: 'off' }

for (const runAs of await waysHere()) {
  t.test(`PostgreSQL runs through ${runAs.prefix[0] ?? 'itself'} and keeps its data`, async (t) => {
    const dataDir = await folder(t)
    const first = await startPostgres({ dataDir, settings, runAs })
    await run(first.url, 'create table public.kept as select 42 as answer')
    await first.stop()
    t.notOk(isAlive(first.pid), 'stop leaves no process')

    const second = await startPostgres({ dataDir, settings, runAs })
    t.teardown(second.stop)
    t.same(await run(second.url, 'select answer from public.kept'), [{ answer: 42 }])
    t.notSame(second.pid, first.pid)
  })
}

t.test('rejects a log-in without the password, which only the owner can read', async (t) => {
  const dataDir = await folder(t)
  const postgres = await startPostgres({ dataDir, settings })
  t.teardown(postgres.stop)
  const url = new URL(postgres.url)
  t.equal(url.hostname, '127.0.0.1')
  url.password = ''
  await t.rejects(run(url.href, 'select 1'))
  url.password = 'postgres'
  await t.rejects(run(url.href, 'select 1'), { code: '28P01' })
  t.same(await run(postgres.url, 'show unix_socket_directories'), [{ unix_socket_directories: '' }])
  t.equal((await stat(dataDir)).mode & 0o777, 0o700)
  t.equal((await stat(path.join(dataDir, 'password'))).mode & 0o777, 0o600)
})

t.test('starts again after a kill although another process has its pid now', async (t) => {
  const dataDir = await folder(t)
  const first = await startPostgres({ dataDir, settings })
  await run(first.url, 'create table public.kept as select 42 as answer')
  process.kill(first.pid, 'SIGKILL')
  await first.ended
  const pidFile = path.join(dataDir, 'cluster/postmaster.pid')
  const stale = await readFile(pidFile, 'utf8')
  // Not the pid of this process: PostgreSQL knows that its parent is no other server.
  const otherProcess = spawn('sleep', ['60'])
  t.teardown(() => otherProcess.kill())
  await writeFile(pidFile, stale.replace(/^\d+/, String(otherProcess.pid)))

  const second = await startPostgres({ dataDir, settings })
  t.teardown(second.stop)
  t.same(await run(second.url, 'select answer from public.kept'), [{ answer: 42 }])
})

t.test('ends a server that a killed start left behind', async (t) => {
  const dataDir = await folder(t)
  const orphan = await startPostgres({ dataDir, settings })
  const next = await startPostgres({ dataDir, settings })
  t.teardown(next.stop)
  t.notOk(isAlive(orphan.pid))
  t.same(await run(next.url, 'select 1 as one'), [{ one: 1 }])
})

t.test('repeats an interrupted initialization', async (t) => {
  const dataDir = await folder(t)
  await startPostgres({ dataDir, settings }).then((server) => server.stop())
  await rm(path.join(dataDir, 'cluster'), { recursive: true })
  await writeFile(path.join(dataDir, 'cluster.new'), 'half made')
  const postgres = await startPostgres({ dataDir, settings })
  t.teardown(postgres.stop)
  t.same(await run(postgres.url, 'select 1 as one'), [{ one: 1 }])
})

t.test('reports an invalid setting with the message of PostgreSQL', async (t) => {
  const dataDir = await folder(t)
  await t.rejects(startPostgres({ dataDir, settings: { no_such_thing: '1' } }), {
    message: /no_such_thing/,
  })
})

async function waysHere(): Promise<RunAs[]> {
  if (uid !== 0) return [{ prefix: [], uid }]
  const usable = await Promise.all(
    rootAlternatives.map((runAs) => canRun(runAs, '/bin/sh', tmpdir())),
  )
  return rootAlternatives.filter((_, index) => usable[index])
}

async function folder(t: Test): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'lethe-postgres-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return path.join(made, 'data')
}

async function run(url: string, statement: string): Promise<unknown[]> {
  const db = connect(url, { max: 1 })
  try {
    return (await sql.raw(statement).execute(db)).rows
  } finally {
    await db.destroy()
  }
}
