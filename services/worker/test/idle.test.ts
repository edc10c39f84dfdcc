import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { connect, type Db } from '@lethe/db'
import { formatTimed, judge, startStopwatch, until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { createWorkerContext } from './setup.ts'

const { TEST_DATABASE_URL: server, TEST_REDIS_URL: redis } = process.env
const withRedis = redis ? {} : { skip: 'no redis-server on this machine' }
const main = path.join(import.meta.dirname, '../src/main.ts')
const WINDOW_MS = 15_000
/** PostgreSQL reports the last transactions of a session at most ten seconds later. */
const STATISTICS_DELAY_MS = 11_000
const TICKS_PER_SECOND = 100

// With the queue on Redis, all transactions are those of the worker.
t.test('an idle worker makes at most four transactions a second', withRedis, async (t) => {
  const { perSecond } = await measureIdle(t, { REDIS_URL: redis ?? '' })
  t.ok(perSecond <= 4, `${perSecond} transactions a second`)
})

t.test('with the queue on PostgreSQL, BullMQ adds at most five', async (t) => {
  const { perSecond } = await measureIdle(t, {})
  t.ok(perSecond <= 9, `${perSecond} transactions a second`)
})

/** Measures from another database, so that the measurement is not counted. */
async function measureIdle(t: Test, env: Record<string, string>) {
  const ctx = await createWorkerContext(t)
  const admin = connect(server ?? '', { max: 1 })
  t.teardown(() => admin.destroy())
  const worker = spawn(process.execPath, [main], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: ctx.databaseUrl,
      SMTP_URL: ctx.sink.url,
      SECRET_KEY: 'an idle worker of a test, 32 bytes and more'.replace(/\W/g, '-'),
      EXPORT_DIR: ctx.exportDir,
      UPLOAD_DIR: ctx.deps.uploadDir,
      WORKER_PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(async () => {
    worker.kill('SIGKILL')
    await once(worker, 'exit')
  })
  let lines = ''
  worker.stdout.on('data', (chunk: Buffer) => {
    lines += chunk
  })
  await until('the worker has started', () => lines.includes('worker.started'))
  await setTimeout(STATISTICS_DELAY_MS)
  const name = new URL(ctx.databaseUrl).pathname.slice(1)
  const before = await transactions(admin, name)
  const cpuBefore = await cpuSeconds(worker.pid ?? 0)
  const watch = startStopwatch()
  await setTimeout(WINDOW_MS)
  const cpu = (await cpuSeconds(worker.pid ?? 0)) - cpuBefore
  const seconds = watch.ms() / 1_000
  const timed = {
    ms: cpu * 1_000,
    boundMs: watch.ms() / 100,
    slower: watch.slowestOver(1_000),
  }
  watch.stop()
  const verdict = judge(timed)
  const claim = 'below one percent of a core'
  if (verdict === 'cannot be judged') t.pass(claim, { skip: formatTimed(timed) })
  else t.equal(verdict, 'holds', `${claim}: ${formatTimed(timed)}`)
  return { perSecond: ((await transactions(admin, name)) - before) / seconds }
}

async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

async function transactions(admin: Db, database: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select xact_commit + xact_rollback as n from pg_stat_database where datname = ${database}`.execute(
    admin,
  )
  return rows[0]?.n ?? 0
}
