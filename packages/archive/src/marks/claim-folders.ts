import type { Db } from '@lethe/db'
import { type DataMap, IncompleteDataMapError } from '@lethe/erasure'
import { sql } from 'kysely'
import { compareMark, countMissing, type FolderState, type MarkedFolder } from './folder-mark.ts'
import { readIdentity } from './identity.ts'
import { replaceMark } from './mark-file.ts'

export interface ClaimedFolder {
  variable: MarkedFolder['variable']
  /** The state of the folder before the claim. */
  was: FolderState['is']
  /** How many files that the database names are missing; null if it cannot be counted because the data map is incomplete. */
  missing: number | null
}

/**
 * Binds these folders to this database, whatever their marks say. The database gets a new id, so that a copy with the old
 * id no longer matches the marks. Changes nothing if a folder cannot be reached.
 */
export async function claimFolders(
  db: Db,
  folders: MarkedFolder[],
  map: DataMap,
  reason: string,
): Promise<ClaimedFolder[]> {
  const claimed: ClaimedFolder[] = []
  for (const folder of folders) {
    const is = await compareMark(db, folder)
    if (is === 'unreachable')
      throw new Error(`${folder.variable} cannot be reached: no folder was claimed.`)
    claimed.push({
      variable: folder.variable,
      was: is,
      missing: await countMissing(db, folder, map).catch(nullWithoutPlan),
    })
  }
  await db.transaction().execute(async (tx) => {
    await sql`update lethe.folder_owner set id = gen_random_uuid()`.execute(tx)
    for (const { variable, was, missing } of claimed)
      await sql`
        insert into public.audit_events (event, details) values ('folder.claimed',
          ${JSON.stringify({ folder: variable, was, missing, reason })}::jsonb)`.execute(tx)
    const identity = await readIdentity(tx)
    // Write the marks before the commit: if one fails, the database keeps its id, and the operator can claim again.
    for (const { markStore } of folders) await replaceMark(markStore, identity)
  })
  return claimed
}

function nullWithoutPlan(error: unknown): null {
  if (error instanceof IncompleteDataMapError) return null
  throw error
}
