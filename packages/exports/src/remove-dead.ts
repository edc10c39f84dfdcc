import type { Db } from '@lethe/db'
import { readArchiveName } from './names.ts'
import type { Storage } from './storage/storage.ts'

/**
 * Removes what killed tries left, whole or begun, however young it is: everything is named after the lease of its try, and
 * once no row of an export holds that lease or names it, nobody will. Answers how many went.
 */
export async function removeDead(db: Db, storage: Storage): Promise<number> {
  let removed = 0
  for await (const names of storage.list()) {
    const dead = await unclaimed(db, names)
    await storage.remove(dead)
    removed += dead.length
  }
  return removed
}

/** The rows are asked after the names: whoever writes had their lease before, and names what is whole when they end it. */
async function unclaimed(db: Db, names: string[]): Promise<string[]> {
  const tries = names.map((name) => ({ name, ...readArchiveName(name) }))
  const ids = tries.flatMap(({ exportId }) => exportId ?? [])
  const rows =
    ids.length > 0
      ? await db
          .selectFrom('exports')
          .select(['id', 'lease', 'file_name'])
          .where('id', 'in', ids)
          .execute()
      : []
  const known = new Map(rows.map((row) => [row.id, row]))
  return tries.flatMap(({ name, exportId = '', lease }) => {
    const row = known.get(exportId)
    const wanted = row && (row.lease === lease || row.file_name === name)
    return wanted ? [] : [name]
  })
}
