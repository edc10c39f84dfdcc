import { randomUUID } from 'node:crypto'
import { makeManyDue } from '@lethe/accounts/testing'
import { connect } from '@lethe/db'
import { readAlarms, tripBreaker } from '@lethe/lifecycle'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { openQueue } from '@lethe/queue'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { conditionalTasks } from '../src/sweep.ts'
import { findWork } from '../src/watch-for-work.ts'
import { startWorker } from '../src/worker.ts'
import { setup } from './setup.ts'

const MILLION = 1_000_000
const breakerLimits = { floor: 20, share: 0.01 }

t.test('with a million due', async (t) => {
  const s = await setup(t)
  Object.assign(s.deps, { breakerLimits })
  await makeManyDue(s.databaseUrl, MILLION)
  const patient = connect(s.databaseUrl, { max: 1 })
  t.teardown(() => patient.destroy())
  const reference = await medianMs(3, () =>
    sql`select count(*) from public.deletions where status = 'pending' and erase_after <= now()`.execute(
      patient,
    ),
  )

  await t.test('the alarms are there within 200 ms, before and after a trip', async (t) => {
    await served(t, 'before', () => readAlarms(s.db))
    const [trip] = await tripBreaker(patient, breakerLimits)
    t.match(trip, { newAccounts: false, atOnce: MILLION, passed: 20 })
    await served(t, 'after', () => readAlarms(s.db))
  })

  await t.test('a tripped breaker is not counted again, and what goes on is found', async (t) => {
    const queue = await openQueue({ databaseUrl: s.databaseUrl, name: `test-${randomUUID()}` })
    t.teardown(() => queue.close())
    const tasks = conditionalTasks(s.deps, queue)
    const look = await medianMs(5, () => findWork(s.db, tasks))
    t.strictSame(await findWork(s.db, tasks), ['dispatch-deletions'], 'those that passed')
    t.ok(look < reference / 4, `to look takes ${look} ms, to count once ${reference} ms`)
    t.equal(await tasks['dispatch-deletions'].run(), true)
    const lend = await medianMs(5, () => tasks['dispatch-deletions'].run())
    t.ok(lend < reference / 4, `to lend takes ${lend} ms, to count once ${reference} ms`)
    t.strictSame(await findWork(s.db, tasks), [], 'nothing more')
  })

  await t.test('health, metrics and the queue page are served', async (t) => {
    const worker = await startWorker(s.deps, {
      ...{
        databaseUrl: s.databaseUrl,
        queueName: `test-${randomUUID()}`,
        host: '127.0.0.1',
        port: 0,
      },
    })
    t.teardown(() => worker.close())
    const get = (path: string) => fetch(`http://127.0.0.1:${worker.port}${path}`)
    const answer = await until('it says that erasure is stopped', async () => {
      const given = await get('/readyz')
      return (await given.text()).includes('erasure-stopped') && given
    })
    t.equal(answer.status, 503)
    await served(t, '/metrics', async () => {
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

async function served(t: Test, what: string, serve: () => Promise<unknown>): Promise<void> {
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
