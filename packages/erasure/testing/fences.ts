import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { eraseChunk } from '../src/execute/chunks.ts'
import type { DataMap } from '../src/map/data-map.ts'
import { IncompleteDataMapError, makePlan, type Plan } from '../src/plan/plan.ts'

/** Creates the fences that the plan asks for, as an operator would who follows its messages. */
export async function createFences(db: Db, map: DataMap): Promise<void> {
  const error = await makePlan(db, map).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof IncompleteDataMapError)) return
  for (const { remedy } of error.problems)
    if (remedy.startsWith('create or replace trigger')) await sql.raw(remedy).execute(db)
}

/** Erases in chunks until no query finds a row. Returns the number of erased rows by table. */
export async function eraseInChunks(
  db: Db,
  plan: Plan,
  userId: number,
  atMost: number,
): Promise<Record<string, number>> {
  const erased: Record<string, number> = {}
  for (let index = 0; ; ) {
    const chunk = await db
      .transaction()
      .execute((tx) => eraseChunk(tx, plan, index, userId, atMost))
    if (!chunk) return erased
    const [[name, rows] = ['', 0]] = Object.entries(chunk.tables)
    erased[name] = (erased[name] ?? 0) + rows
    if (rows < atMost) index++
  }
}
