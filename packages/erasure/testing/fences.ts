import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { eraseChunk } from '../src/execute/chunks.ts'
import type { DataMap } from '../src/map/data-map.ts'
import { IncompleteDataMapError, makePlan, type Plan } from '../src/plan/plan.ts'

/** Does what the plan asks for, as somebody would who reads its lines. */
export async function raiseFences(db: Db, map: DataMap): Promise<void> {
  const error = await makePlan(db, map).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof IncompleteDataMapError)) return
  for (const { remedy } of error.faults)
    if (remedy.startsWith('create or replace trigger')) await sql.raw(remedy).execute(db)
}

/** One portion after the other, until none finds anything; returns how many rows they took. */
export async function eraseInPortions(
  db: Db,
  plan: Plan,
  userId: number,
  atMost: number,
): Promise<Record<string, number>> {
  const erased: Record<string, number> = {}
  for (let place = 0; ; ) {
    const portion = await db
      .transaction()
      .execute((tx) => eraseChunk(tx, plan, place, userId, atMost))
    if (!portion) return erased
    const [[name, rows] = ['', 0]] = Object.entries(portion.tables)
    erased[name] = (erased[name] ?? 0) + rows
    if (rows < atMost) place++
  }
}
