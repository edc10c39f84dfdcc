import { setTimeout as pause } from 'node:timers/promises'
import { createTestContext, insertDueDeletions } from '@lethe/accounts/testing'
import { connect } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { cancelDeletionByToken, tripBreaker } from '@lethe/lifecycle'
import { holdsWithin, startStopwatch } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import { run } from '../src/run.ts'

/** One statement for all deletions would make a cancel wait several seconds. */
const DUE = 200_000
const CANCELS = 40

t.test('with very many due', async (t) => {
  const { db: impatient, url } = await testDb(t)
  const f = await createTestContext(impatient, 'PT0S')
  const people = await Promise.all(Array.from({ length: CANCELS }, () => f.person()))
  await sql`update public.users set created_at = now() - interval '1 year'`.execute(impatient)
  const asked = await Promise.all(people.map((person) => f.request(person)))
  const tokens = await Promise.all(asked.map(({ id }) => f.cancelToken(id)))
  // Due before the others, so that a release marks these first.
  await sql`update public.deletions set requested_at = now() - interval '2 hours', erase_after = now() - interval '2 hours'`.execute(
    impatient,
  )
  await insertDueDeletions(url, DUE)
  const db = connect(url, { max: 4 })
  t.teardown(() => db.destroy())
  const lines: string[] = []
  const lethe = (...args: string[]) => run(args, { db, env: {}, print: (line) => lines.push(line) })

  await t.test('deletions list does not look at all of them', async (t) => {
    const reference = await fastestMs(() => sql`select count(*) from public.deletions`.execute(db))
    for (const args of [[], ['pending'], ['cancelled']]) {
      const list = await fastestMs(async () =>
        t.equal(await lethe('deletions', 'list', ...args), 0),
      )
      t.ok(list < reference / 2, `it takes ${list} ms, and to count them ${reference} ms`)
    }
  })

  await t.test('no cancel waits for more than a second while all are released', async (t) => {
    const [trip] = await tripBreaker(db, { floor: 20, share: 0.01 })
    t.match(trip, { passed: 20 })
    const held = DUE + CANCELS - 20
    const over = new AbortController()
    const releasing = lethe('breaker', 'release', String(held)).finally(() => over.abort())
    let cancelled = 0
    for (const token of tokens) {
      if (over.signal.aborted) break
      const watch = startStopwatch()
      await cancelDeletionByToken(db, token)
      await holdsWithin(t, watch, 1_000, `cancel ${++cancelled} while it is under way`)
      await pause(100)
    }
    t.ok(cancelled > 5, `${cancelled} cancels`)
    t.equal(await releasing, 0)
    const { rows } = await sql<{ marked: number; closed: boolean }>`
      select marked, released_at is not null as closed from public.breaker_trips`.execute(db)
    t.match(rows, [{ closed: true }])
    t.ok((rows[0]?.marked ?? 0) >= held - CANCELS)
  })
})

async function fastestMs(run: () => Promise<unknown>): Promise<number> {
  const took: number[] = []
  for (let times = 0; times < 5; times++) {
    const began = performance.now()
    await run()
    took.push(performance.now() - began)
  }
  return Math.min(...took)
}
