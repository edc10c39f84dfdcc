import { chmod, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Db } from '@lethe/db'
import { isMissing, namesIn } from './folder.ts'
import { isArchiveName } from './names.ts'
import { removeFiles } from './remove-archive.ts'

const namesAtATime = 1_000

/**
 * Removes archives that no row leads to: they were whole when the worker died, but not yet entered. None that is younger
 * than `ms` is looked at, because it may be entered yet. Answers how many files went.
 */
export async function removeStrays(db: Db, exportDir: string, ms: number): Promise<number> {
  const names = (await namesIn(exportDir)).filter(isArchiveName)
  if (names.length === 0) return 0
  const before = new Date((await timeIn(exportDir)) - ms)
  let removed = 0
  for (let i = 0; i < names.length; i += namesAtATime) {
    const old = await untouchedSince(before, exportDir, names.slice(i, i + namesAtATime))
    const strays = await unnamed(db, old)
    await removeFiles(exportDir, strays)
    removed += strays.length
  }
  return removed
}

/**
 * The time on the clock that dates the files. Ours may be another, and wrong: ahead of it, archives of this moment would
 * look old. Setting the mode, even to what it is, moves the change time.
 */
async function timeIn(folder: string): Promise<number> {
  await chmod(folder, 0o700)
  return (await stat(folder)).ctimeMs
}

async function untouchedSince(before: Date, folder: string, names: string[]): Promise<string[]> {
  const old: string[] = []
  for (const name of names) {
    try {
      // The change time: a rename moves it, too.
      if ((await stat(path.join(folder, name))).ctime < before) old.push(name)
    } catch (error) {
      // Removed, or renamed, since the folder was listed.
      if (!isMissing(error)) throw error
    }
  }
  return old
}

async function unnamed(db: Db, names: string[]): Promise<string[]> {
  if (names.length === 0) return []
  const rows = await db
    .selectFrom('exports')
    .select('file_name')
    .where('file_name', 'in', names)
    .execute()
  const named = new Set(rows.map((row) => row.file_name))
  return names.filter((name) => !named.has(name))
}
