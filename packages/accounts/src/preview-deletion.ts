import type { Counts, Db } from '@lethe/db'
import { countFiles, countRows } from '@lethe/erasure'
import { planErasure } from './plan-erasure.ts'

/**
 * Counts what a deletion of this account would erase now. Throws `IncompleteDataMapError` if the map omits personal
 * data.
 */
export async function previewDeletion(db: Db, uploadDir: string, userId: number): Promise<Counts> {
  const plan = await planErasure(db)
  const [tables, files] = await Promise.all([
    countRows(db, plan, userId),
    countFiles(uploadDir, plan.map, userId),
  ])
  return { tables, ...files }
}
