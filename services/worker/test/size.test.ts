import { randomUUID } from 'node:crypto'
import { insertDueDeletions } from '@lethe/accounts/testing'
import { connect } from '@lethe/db'
import { readAlarms, tripBreaker } from '@lethe/lifecycle'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { openQueue } from '@lethe/queue'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { conditionalTasks } from '../src/sweep.ts'
import { findWork } from '../src/watch-for-work.ts'
import { startWorker } from '../src/worker.ts'
import { createWorkerContext } from './setup.ts'

const MILLION = 1_000_000
const breakerLimits = { floor: 20, share: 0.01 }

t.test('with a million due deletions', async (t) => {
  const ctx = await createWorkerContext(t)
  Object.assign(ctx.deps, { breakerLimits })
  await insertDueDeletions(ctx.databaseUrl, MILLION)
  const patient = connect(ctx.databaseUrl, { max: 1 })
  t.teardown(() => patient.destroy())
  const reference = await medianMs(3, () =>
    sql`select count(*) from public.deletions where status = 'pending' and erase_after <= now()`.execute(
      patient,
    ),
  )

  await t.test('the alarms are read within 200 ms, before and after a trip', async (t) => {
    await holdsWithin200Ms(t, 'before', () => readAlarms(ctx.db))
    const [trip] = await tripBreaker(patient, breakerLimits)
    t.match(trip, { newAccounts: false, atOnce: MILLION, passed: 20 })
    await holdsWithin200Ms(t, 'after', () => readAlarms(ctx.db))
  })

  await t.test(
    'held deletions are not counted again, and passed ones are found fast',
    async (t) => {
      const queue = await openQueue({ databaseUrl: ctx.databaseUrl, name: `test-${randomUUID()}` })
      t.teardown(() => queue.close())
      const tasks = conditionalTasks(ctx.deps, queue)
      const look = await medianMs(5, () => findWork(ctx.db, tasks))
      t.strictSame(
        await findWork(ctx.db, tasks),
        ['dispatch-deletions'],
        'passed deletions can be dispatched',
      )
      t.ok(look < reference / 4, `finding work takes ${look} ms, one count ${reference} ms`)
      t.equal(await tasks['dispatch-deletions'].run(), true)
      const dispatch = await medianMs(5, () => tasks['dispatch-deletions'].run())
      t.ok(dispatch < reference / 4, `dispatching takes ${dispatch} ms, one count ${reference} ms`)
      t.strictSame(await findWork(ctx.db, tasks), [], 'no more work is found')
    },
  )

  await t.test('health, metrics and the queue page are served', async (t) => {
    const worker = await startWorker(ctx.deps, {
      databaseUrl: ctx.databaseUrl,
      queueName: `test-${randomUUID()}`,
      host: '127.0.0.1',
      port: 0,
    })
    t.teardown(() => worker.close())
    const get = (path: string) => fetch(`http://127.0.0.1:${worker.port}${path}`)
    const answer = await until('/readyz reports that erasure is stopped', async () => {
      const given = await get('/readyz')
      return (await given.text()).includes('erasure-stopped') && given
    })
    t.equal(answer.status, 503)
    await holdsWithin200Ms(t, '/metrics', async () => {
      const text = await (await get('/metrics')).text()
      t.match(text, /^lethe_erasure_stopped 1$/m)
      t.match(text, /^lethe_deletions_overdue_seconds \d{4}/m)
      t.match(text, /^lethe_counts_up [01]$/m)
    })
    const watch = startStopwatch()
    t.equal((await get('/queue')).status, 200)
    await holdsWithin(t, watch, 500, '/queue is answered')
  })
})

async function holdsWithin200Ms(
  t: Test,
  what: string,
  serve: () => Promise<unknown>,
): Promise<void> {
  await serve()
  const watch = startStopwatch()
  await serve()
  await holdsWithin(t, watch, 200, `${what}: within 200 ms`)
}

async function medianMs(times: number, run: () => Promise<unknown>): Promise<number> {
  const took: number[] = []
  for (let i = 0; i < times; i++) {
    const began = performance.now()
    await run()
    took.push(performance.now() - began)
  }
  return took.sort((a, b) => a - b)[Math.floor(times / 2)] ?? Number.NaN
}
