import { claimDeletions, finishErasure, mayBeClaimed, planErasure } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { eraseRows } from '@lethe/erasure'
import { lendTogether } from '@lethe/jobs'
import { sql } from 'kysely'
import { deletionsDue, makePeople, type Stage } from './stage.ts'

const PEOPLE = 10_000
const BATCH = 1_000
const limits = { floor: 1_000, share: 1 }

/**
 * Ten thousand ordinary people, erased by the plan; as many by the bare deletes of the same rows, without and
 * with counts; and as many as the worker does it, from the lease to the last mail. A batch of each in turn, so that all have the same machine.
 */
export async function eraseMany({ db }: Stage): Promise<void> {
  const planned = await makePeople(db, PEOPLE, 3)
  const counted = await makePeople(db, PEOPLE, 3)
  const bare = await makePeople(db, PEOPLE, 3)
  await deletionsDue(db, await makePeople(db, PEOPLE, 3))
  await sql`vacuum analyze`.execute(db)
  const took = { planned: 0, counted: 0, bare: 0, whole: 0 }
  for (let n = 0; n < PEOPLE / BATCH; n++) {
    const batch = (ids: number[]) => ids.slice(n * BATCH, (n + 1) * BATCH)
    took.planned += await timed(() => eraseByPlan(db, batch(planned)))
    took.counted += await timed(() => deleteAndCount(db, batch(counted)))
    took.bare += await timed(() => deleteRows(db, batch(bare)))
    took.whole += await timed(() => eraseNext(db))
  }
  const { rows } = await sql<{ left: number }>`select count(*) as left from users`.execute(db)
  if (rows[0]?.left !== 0) throw new Error(`${rows[0]?.left} people are left`)
  const rate = (ms: number) => {
    const each = Math.round(PEOPLE / (ms / 1_000)).toLocaleString('en')
    const [toBare, toCounted] = [took.bare / ms, took.counted / ms].map((ratio) => ratio.toFixed(2))
    return `${each.padStart(7)} people/s, ${toBare} of the bare deletes, ${toCounted} of those that count`
  }
  console.log(`bare deletes of their rows        ${rate(took.bare)}`)
  console.log(`and that tell how many of whom    ${rate(took.counted)}`)
  console.log(`erased by the plan                ${rate(took.planned)}`)
  console.log(`from the lease to the last mail   ${rate(took.whole)}`)
}

async function eraseByPlan(db: Db, ids: number[]): Promise<void> {
  const plan = await planErasure(db)
  await db.transaction().execute((tx) => eraseRows(tx, plan, ids, 10_000))
}

async function eraseNext(db: Db): Promise<void> {
  const plan = await planErasure(db)
  const lease = await lendTogether(db, 'deletions', mayBeClaimed(limits), BATCH)
  const claim = await claimDeletions(db, lease ?? '', limits)
  const erased = await finishErasure(db, plan, claim, 10_000)
  if (erased.length !== BATCH) throw new Error(`${erased.length} were erased`)
}

async function deleteAndCount(db: Db, ids: number[]): Promise<void> {
  await db.transaction().execute(async (tx) => {
    for (const table of ['vault.person_keys', 'saved_passwords', 'sessions', 'avatars'])
      await sql`
        with gone as (delete from ${sql.table(table)} where user_id = any(${ids}::bigint[]) returning user_id)
        select user_id, count(*) from gone group by user_id`.execute(tx)
    await sql`delete from users where id = any(${ids}::bigint[]) returning id`.execute(tx)
  })
}

async function deleteRows(db: Db, ids: number[]): Promise<void> {
  await db.transaction().execute(async (tx) => {
    for (const table of ['vault.person_keys', 'saved_passwords', 'sessions', 'avatars'])
      await sql`delete from ${sql.table(table)} where user_id = any(${ids}::bigint[])`.execute(tx)
    await sql`delete from users where id = any(${ids}::bigint[])`.execute(tx)
  })
}

async function timed(run: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await run()
  return performance.now() - began
}
