import type { Db } from '@lethe/db'
import { namesIn } from './folder.ts'
import { exportOfPart, isPartName, partName } from './names.ts'
import { removeFiles } from './remove-archive.ts'

const namesAtATime = 1_000

/**
 * Removes what killed tries left of archives in the making, however young it is: a part file is named after the lease of
 * its try, and once nobody holds that lease (withdrawn, given up, tried again) nobody writes it. Answers how many went.
 */
export async function removeDeadParts(db: Db, exportDir: string): Promise<number> {
  const parts = (await namesIn(exportDir)).filter(isPartName)
  let removed = 0
  for (let i = 0; i < parts.length; i += namesAtATime) {
    const dead = await withoutLease(db, parts.slice(i, i + namesAtATime))
    await removeFiles(exportDir, dead)
    removed += dead.length
  }
  return removed
}

/** The row is asked after the folder: whoever writes had their lease before their file. */
async function withoutLease(db: Db, parts: string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('exports')
    .select(['id', 'lease'])
    .where('id', 'in', parts.map(exportOfPart))
    .execute()
  const live = new Set(rows.map(({ id, lease }) => lease && partName(id, lease)))
  return parts.filter((part) => !live.has(part))
}
