import { planErasure } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { eraseRows } from '@lethe/erasure'
import { claimDeletions, dispatchBatch, finishErasure, isClaimable } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { type BenchEnvironment, deletionsDue, makePeople } from './bench-environment.ts'
import { median, timed } from './timed.ts'

const PEOPLE = 10_000
const BATCH = 1_000
const limits = { floor: 1_000, share: 1 }

/**
 * Compares four ways to erase ten thousand ordinary people: by the plan, by bare deletes of the same rows with and
 * without counts, and as the worker does it, from the lease to the last mail. The ways alternate batch by batch in
 * changing order, so that all meet the same load. The first batch of each is a warm-up. Medians are compared, so a
 * moment of a busy disk does not matter.
 */
export async function eraseMany({ db }: BenchEnvironment): Promise<void> {
  const make = () => makePeople(db, PEOPLE + BATCH, 3)
  const [planned, counted, bare] = [await make(), await make(), await make()]
  await deletionsDue(db, await make())
  await sql`vacuum analyze`.execute(db)
  const took: Record<Method, number[]> = { planned: [], counted: [], bare: [], worker: [] }
  const methods: [Method, (n: number) => Promise<void>][] = [
    ['planned', (n) => eraseByPlan(db, batch(planned, n))],
    ['counted', (n) => deleteAndCount(db, batch(counted, n))],
    ['bare', (n) => deleteRows(db, batch(bare, n))],
    ['worker', () => eraseNext(db)],
  ]
  for (let n = 0; n <= PEOPLE / BATCH; n++)
    for (let place = 0; place < methods.length; place++) {
      const [name, run] = methods[(n + place) % methods.length] as (typeof methods)[number]
      const ms = await timed(() => run(n))
      if (n > 0) took[name].push(ms)
    }
  const { rows } = await sql<{ left: number }>`select count(*) as left from public.users`.execute(
    db,
  )
  if (rows[0]?.left !== 0) throw new Error(`${rows[0]?.left} people are left`)
  const [bareMs, countedMs] = [median(took.bare), median(took.counted)]
  const rate = (batches: number[]) => {
    const ms = median(batches)
    const each = Math.round(BATCH / (ms / 1_000)).toLocaleString('en')
    const [toBare, toCounted] = [bareMs / ms, countedMs / ms].map((ratio) => ratio.toFixed(2))
    return `${each.padStart(7)} people/s, ${toBare} of the bare deletes, ${toCounted} of those with counts`
  }
  console.log(`bare deletes of their rows        ${rate(took.bare)}`)
  console.log(`bare deletes with counts          ${rate(took.counted)}`)
  console.log(`erased by the plan                ${rate(took.planned)}`)
  console.log(`from the lease to the last mail   ${rate(took.worker)}`)
}

type Method = 'planned' | 'counted' | 'bare' | 'worker'

const batch = (ids: number[], n: number) => ids.slice(n * BATCH, (n + 1) * BATCH)

async function eraseByPlan(db: Db, ids: number[]): Promise<void> {
  const plan = await planErasure(db)
  await db.transaction().execute((tx) => eraseRows(tx, plan, ids, 10_000))
}

async function eraseNext(db: Db): Promise<void> {
  const plan = await planErasure(db)
  const lease = await dispatchBatch(db, 'deletions', isClaimable(limits, BATCH), BATCH)
  const claim = await claimDeletions(db, lease ?? '', limits)
  const erased = await finishErasure(db, plan, claim, 10_000)
  if (erased.length !== BATCH) throw new Error(`${erased.length} were erased`)
}

async function deleteAndCount(db: Db, ids: number[]): Promise<void> {
  await db.transaction().execute(async (tx) => {
    for (const table of [
      'vault.person_keys',
      'public.saved_passwords',
      'public.sessions',
      'public.avatars',
    ])
      await sql`
        with gone as (delete from ${sql.table(table)} where user_id = any(${ids}::bigint[]) returning user_id)
        select user_id, count(*) from gone group by user_id`.execute(tx)
    await sql`delete from public.users where id = any(${ids}::bigint[]) returning id`.execute(tx)
  })
}

async function deleteRows(db: Db, ids: number[]): Promise<void> {
  await db.transaction().execute(async (tx) => {
    for (const table of [
      'vault.person_keys',
      'public.saved_passwords',
      'public.sessions',
      'public.avatars',
    ])
      await sql`delete from ${sql.table(table)} where user_id = any(${ids}::bigint[])`.execute(tx)
    await sql`delete from public.users where id = any(${ids}::bigint[])`.execute(tx)
  })
}
