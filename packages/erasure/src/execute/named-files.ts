import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Db, FilesByTable } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import type { FilesEntry } from '../map/data-map.ts'
import { anyOf, findRows, rowsByLink, rowsFound, rowsOf } from '../plan/link-graph.ts'
import type { Plan } from '../plan/plan.ts'
import { personFolder } from './files.ts'

/** A file that a row names, in a folder that goes with the person. */
export interface NamedFile {
  table: string
  person: number
  folder: string
  name: string
}

export interface FileFinding {
  found: FilesByTable
  missing: FilesByTable
}

const PAGE_SIZE = 1_000

/** What is done with up to a thousand files; the next ones are read when it is done. */
export type ReadPage = (files: NamedFile[]) => Promise<void>

/** Reads the files that the rows of these people name, page by page: a person may have a million of them. */
export async function readNamedFiles(
  db: Db,
  plan: Plan,
  userIds: readonly number[],
  read: ReadPage,
): Promise<void> {
  const query = namedFiles(plan, anyOf(userIds))
  if (!query) return
  await db.transaction().execute(async (tx) => {
    await sql`/* named files */ declare named no scroll cursor for ${query}`.execute(tx)
    for (;;) {
      const { rows } = await sql<NamedFile>`fetch ${sql.lit(PAGE_SIZE)} from named`.execute(tx)
      if (rows.length > 0) await read(rows.map((row) => ({ ...row, person: Number(row.person) })))
      if (rows.length < PAGE_SIZE) return
    }
  })
}

const PEOPLE_BATCH_SIZE = 1_000

/** Reads the files that all rows name, for a thousand people at a time. */
export async function readAllNamedFiles(db: Db, plan: Plan, read: ReadPage): Promise<void> {
  if (filesTables(plan).length === 0) return
  const { table, key } = plan.map.person
  for (let last = 0; ; ) {
    const { rows } = await sql<{ id: number }>`
      select t.${sql.id(key)} as id from ${rowsOf(plan, table)} t
      where t.${sql.id(key)} > ${last} order by 1 limit ${PEOPLE_BATCH_SIZE}`.execute(db)
    const ids = rows.map(({ id }) => Number(id))
    if (ids.length > 0) await readNamedFiles(db, plan, ids, read)
    if (ids.length < PEOPLE_BATCH_SIZE) return
    last = ids.at(-1) ?? 0
  }
}

/** Looks for each of these files, and adds them to the counts by table. */
export async function findFiles(
  uploadDir: string,
  files: NamedFile[],
  finding: FileFinding,
): Promise<void> {
  // One after the other: a page may be one person's.
  for (const file of files) {
    const counts = (await isThere(uploadDir, file)) ? finding.found : finding.missing
    counts[file.table] = (counts[file.table] ?? 0) + 1
  }
}

/** Undefined where no row names a file. */
function namedFiles(plan: Plan, people: RawBuilder<unknown>): RawBuilder<unknown> | undefined {
  const tables = filesTables(plan)
  if (tables.length === 0) return undefined
  const needs = tables.flatMap(({ table }) =>
    isCircular(plan, table) ? [table] : linksOf(plan, table).map(({ target }) => target),
  )
  const selects = tables.flatMap(({ table, files }) =>
    sourcesOf(plan, table, files, people).map(
      (source) => sql`
        select ${sql.lit(table)} as "table", ${sql.lit(files.folder)} as folder, person, name
        from (${source}) named where name is not null`,
    ),
  )
  // `union` counts a row once that belongs to the person in two ways.
  return sql`${findRows(plan, people, needs)} ${sql.join(selects, sql` union `)}`
}

/** Selects of `person` and `name`, of the rows that go with people. */
function sourcesOf(
  plan: Plan,
  table: string,
  files: FilesEntry,
  people: RawBuilder<unknown>,
): RawBuilder<unknown>[] {
  const name = sql`, t.${sql.id(files.name)} as name`
  if (isCircular(plan, table)) return [sql`select b.person${name} from ${rowsFound(plan, table)}`]
  return linksOf(plan, table).map((link) => sql`select ${rowsByLink(plan, link, people, name)}`)
}

const linksOf = (plan: Plan, table: string) => plan.parents.get(table) ?? []
const isCircular = (plan: Plan, table: string) => plan.cycles.some((cycle) => cycle.includes(table))

/** Without those whose files are kept. */
function filesTables({ map, parents }: Plan): { table: string; files: FilesEntry }[] {
  return Object.entries(map.tables).flatMap(([table, { files }]) =>
    files && parents.has(table) && !map.folders?.[files.folder]?.erase ? [{ table, files }] : [],
  )
}

/** A name that leads out of the person's folder names no file of theirs. */
async function isThere(uploadDir: string, { folder, person, name }: NamedFile): Promise<boolean> {
  const home = path.resolve(personFolder(uploadDir, folder, person))
  const file = path.resolve(home, name)
  if (!file.startsWith(home + path.sep)) return false
  return stat(file).then(
    (found) => found.isFile(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false
      throw error
    },
  )
}
