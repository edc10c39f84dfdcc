import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Db, FilesByTable } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import type { FilesEntry } from '../map/data-map.ts'
import { anyOf, findRows, joinFoundRows, rowsByLink, rowsOf } from '../plan/link-graph.ts'
import type { Plan } from '../plan/plan.ts'
import { personFolder } from './files.ts'

/** A file that a row names, in a folder that is erased with the person. */
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

/** Handles up to 1,000 files. The next page is read when the promise resolves. */
export type ReadPage = (files: NamedFile[]) => Promise<void>

/** Reads the files that the rows of these people name, page by page: a person can have a million. */
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

/** Reads the files that the rows of all people name, 1,000 people at a time. */
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

/** Checks whether each file exists, and counts it by table as found or missing. */
export async function findFiles(
  uploadDir: string,
  files: NamedFile[],
  finding: FileFinding,
): Promise<void> {
  // One at a time, since a page can hold 1,000 files of one person.
  for (const file of files) {
    const counts = (await isThere(uploadDir, file)) ? finding.found : finding.missing
    counts[file.table] = (counts[file.table] ?? 0) + 1
  }
}

/** Undefined if no table names files. */
function namedFiles(plan: Plan, people: RawBuilder<unknown>): RawBuilder<unknown> | undefined {
  const tables = filesTables(plan)
  if (tables.length === 0) return undefined
  const needs = tables.flatMap(({ table }) =>
    isInCycle(plan, table) ? [table] : linksOf(plan, table).map(({ target }) => target),
  )
  const selects = tables.flatMap(({ table, files }) =>
    sourcesOf(plan, table, files, people).map(
      (source) => sql`
        select ${sql.lit(table)} as "table", ${sql.lit(files.folder)} as folder, person, name
        from (${source}) named where name is not null`,
    ),
  )
  // `union` counts a row once if it belongs to the person by two links.
  return sql`${findRows(plan, people, needs)} ${sql.join(selects, sql` union `)}`
}

/** Selects `person` and `name` of the rows that are erased with these people. */
function sourcesOf(
  plan: Plan,
  table: string,
  files: FilesEntry,
  people: RawBuilder<unknown>,
): RawBuilder<unknown>[] {
  const name = sql`, t.${sql.id(files.name)} as name`
  if (isInCycle(plan, table))
    return [sql`select b.person${name} from ${joinFoundRows(plan, table)}`]
  return linksOf(plan, table).map((link) => sql`select ${rowsByLink(plan, link, people, name)}`)
}

const linksOf = (plan: Plan, table: string) => plan.parents.get(table) ?? []
const isInCycle = (plan: Plan, table: string) => plan.cycles.some((cycle) => cycle.includes(table))

/** The erased tables that name files, without those whose folder is kept. */
function filesTables({ map, parents }: Plan): { table: string; files: FilesEntry }[] {
  return Object.entries(map.tables).flatMap(([table, { files }]) =>
    files && parents.has(table) && !map.folders?.[files.folder]?.retain ? [{ table, files }] : [],
  )
}

/** A name that resolves outside of the person's folder counts as missing. */
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
