import { randomBytes, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { connect } from '@lethe/db'
import { deriveKeys } from '@lethe/lifecycle'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { metricsText, readMetrics } from '../src/metrics.ts'
import { startWorker, type WorkerOptions } from '../src/worker.ts'
import { createWorkerContext, type WorkerContext } from './setup.ts'

t.test('a working worker is ready', async (t) => {
  const ctx = await createWorkerContext(t)
  const port = await start(t, ctx)
  t.match(await get(port, '/healthz'), { status: 200, json: { status: 'ok' } })
  await until('it is ready', async () => (await get(port, '/readyz')).status === 200)
  t.match(await get(port, '/readyz'), { json: { status: 'ok' } })
})

t.test('a worker that is not ready reports why and keeps trying', async (t) => {
  const ctx = await createWorkerContext(t)
  const notReady = async (t: Test, port: number, reason: RegExp) => {
    const answer = await until('the reason', async () => {
      const given = await get(port, '/readyz')
      return reason.test(given.json.detail ?? '') ? given : undefined
    })
    t.match(answer, {
      status: 503,
      type: /^application\/problem\+json/,
      json: { type: '/problems/unavailable', status: 503, detail: reason },
    })
    t.match(await get(port, '/healthz'), { status: 200 }, 'the worker is alive')
  }
  await t.test('Redis is unavailable', async (t) => {
    await notReady(t, await start(t, ctx, { redisUrl: 'redis://127.0.0.1:1' }), /queue/)
  })
  await t.test('the database is unavailable', async (t) => {
    const db = connect('postgres://127.0.0.1:1/lethe')
    t.teardown(() => db.destroy())
    await notReady(
      t,
      await start(t, { ...ctx, deps: { ...ctx.deps, db } }),
      /database cannot be reached/,
    )
  })
  await t.test('SECRET_KEY is wrong', async (t) => {
    const keys = deriveKeys(randomBytes(32))
    await until('the first key is recorded', async () => {
      const { rows } = await sql`select from public.secret_key_check`.execute(ctx.db)
      return rows.length === 1
    })
    await notReady(t, await start(t, { ...ctx, deps: { ...ctx.deps, keys } }), /SECRET_KEY/)
  })
  await t.test('the database is not migrated, until it is', async (t) => {
    await sql`alter table public.kysely_migration rename to hidden`.execute(ctx.db)
    const port = await start(t, ctx)
    await notReady(t, port, /not migrated/)
    await sql`drop table public.kysely_migration`.execute(ctx.db).catch(() => {})
    await sql`alter table public.hidden rename to kysely_migration`.execute(ctx.db)
    await until('it is ready', async () => (await get(port, '/readyz')).status === 200)
  })
})

t.test('metrics count open rows of the database and jobs of the queue', async (t) => {
  const ctx = await createWorkerContext(t)
  const port = await start(t, ctx)
  await ctx.deletion(await ctx.person('ada@example.com'))
  await until('both mails are sent', () => ctx.sink.received.length === 2)
  const { body, type } = await until('they are counted', async () => {
    const answer = await get(port, '/metrics')
    return answer.body.includes('lethe_mails{status="pending"} 0') ? answer : undefined
  })
  t.equal(type, 'text/plain; version=0.0.4; charset=utf-8')
  for (const line of [
    'lethe_deletions{status="pending"} 1',
    'lethe_deletions{status="erasing"} 0',
    'lethe_deletions_overdue_seconds 0',
    'lethe_mails_pending_seconds 0',
    'lethe_exports{status="ready"} 1',
    'lethe_deletions_overdue 0',
    'lethe_queue_up 1',
    'lethe_queue_jobs{job="send-mail",state="failed"} 0',
  ])
    t.ok(body.split('\n').includes(line), line)
  t.notMatch(body, /ada@|example/)
  for (const line of body.trimEnd().split('\n'))
    t.match(
      line,
      /^(# (HELP|TYPE) lethe_\w+ .+|lethe_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.]+)$/,
    )
})

t.test('metrics answer in time although the database does not', async (t) => {
  const ctx = await createWorkerContext(t)
  const port = await start(t, ctx)
  await until('it is ready', async () => (await get(port, '/readyz')).status === 200)
  const lock = await ctx.db.startTransaction().execute()
  t.teardown(() => lock.rollback().execute())
  await sql`lock table public.deletions in access exclusive mode`.execute(lock)
  for (const path of ['/metrics', '/queue']) {
    const watch = startStopwatch()
    t.match(await get(port, path), { status: 503 }, path)
    await holdsWithin(t, watch, 5_000, `${path} is answered`)
  }
})

t.test('counts that take too long are left out, alarms are not', async (t) => {
  const ctx = await createWorkerContext(t)
  const lock = await ctx.db.startTransaction().execute()
  t.teardown(() => lock.rollback().execute())
  await sql`lock table public.audit_events in access exclusive mode`.execute(lock)
  const text = metricsText(await readMetrics(ctx.db, undefined))
  for (const line of [
    'lethe_counts_up 0',
    'lethe_erasure_stopped 0',
    'lethe_deletions_overdue_seconds 0',
    'lethe_mails_pending_seconds 0',
  ])
    t.ok(text.split('\n').includes(line), line)
  t.notMatch(text, 'lethe_deletions{')
})

t.test('metrics report an overdue deletion and its delay', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  await sql`update public.deletions set requested_at = now() - interval '3 days', next_reminder_at = null,
    erase_after = now() - interval '2 hours'`.execute(ctx.db)
  const text = metricsText(await readMetrics(ctx.db, undefined))
  t.match(text, /^lethe_deletions_overdue 1$/m)
  t.match(text, /^lethe_deletions_overdue_seconds 720\d/m)
  t.match(text, /^lethe_mails\{status="pending"\} 1$/m)
  t.match(text, /^lethe_queue_up 0$/m)
})

t.test('the queue page answers requests from this machine only', async (t) => {
  const ctx = await createWorkerContext(t)
  const port = await start(t, ctx)
  await until('it is ready', async () => (await get(port, '/readyz')).status === 200)
  const page = await get(port, '/queue')
  t.match(page, { status: 200, type: 'text/html; charset=utf-8' })
  t.match(page.body, /Failed jobs/)
  t.match(await get(port, '/queue', { host: `lethe.example:${port}` }), { status: 403 })
  t.match(await get(port, '/queue', { host: `localhost:${port}` }), { status: 200 })
})

t.test('the queue page shows a failed job with its reason, escaped', async (t) => {
  const ctx = await createWorkerContext(t)
  const port = await start(t, ctx, { queueName: 'shown' })
  await until('it is ready', async () => (await get(port, '/readyz')).status === 200)
  await sql`insert into bullmq.job (queue, id, seq, name, state, added_at_ms)
    values ('shown-send-mail', 'x', 1, '<script>alert(1)</script>', 'waiting', 0)`.execute(ctx.db)
  const page = await until('it is shown', async () => {
    const { body } = await get(port, '/queue')
    return body.includes('unknown-job') ? body : undefined
  })
  t.match(page, '&#60;script&#62;')
  t.notMatch(page, '<script')
})

t.test('answers unknown paths and methods with a problem', async (t) => {
  const port = await start(t, await createWorkerContext(t))
  const problem = { type: /^application\/problem\+json/ }
  t.match(await get(port, '/nothing'), { status: 404, ...problem })
  t.match(await get(port, '/constructor'), { status: 404, ...problem })
  t.match(await get(port, '/queue', {}, 'DELETE'), { status: 405, ...problem })
})

async function start(
  t: Test,
  { deps, databaseUrl }: WorkerContext,
  options: Partial<WorkerOptions> = {},
) {
  const worker = await startWorker(deps, {
    databaseUrl,
    queueName: `test-${randomUUID()}`,
    host: '127.0.0.1',
    port: 0,
    ...options,
  })
  t.teardown(() => worker.close())
  return worker.port
}

interface Answer {
  status: number | undefined
  type: string | undefined
  body: string
  json: { status?: unknown; detail?: string }
}

async function get(port: number, path: string, headers = {}, method = 'GET'): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const asked = request({ port, path, headers, method, agent: false }, async (response) => {
    const body = await text(response)
    const type = response.headers['content-type']
    const json = type?.includes('json') ? (JSON.parse(body) as Answer['json']) : {}
    resolve({ status: response.statusCode, type, body, json })
  })
  asked.on('error', reject).end()
  return promise
}
