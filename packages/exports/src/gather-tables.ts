import type { Snapshot } from '@lethe/db'
import { type Beginning, beginningOf, countLines, wholeLines } from './copy-text.ts'
import { csvHeader, csvRows } from './csv-rows.ts'
import { jsonRows } from './json-rows.ts'
import { jsonSchema } from './json-schema.ts'
import type { Kind } from './kinds.ts'
import type { Add, Added } from './zip.ts'

/** What was added of one kind, and what the page of the archive shows of it. */
export interface GatheredKind {
  kind: Kind
  rows: number
  entries: (Added & { rows?: number })[]
  /** The first rows, each a line of JSON. */
  shown: string[]
}

/** Up to so many characters of a kind are held in memory, and written as one JSON array: more come line by line. */
const SMALL = 256 * 1024
/** Of each kind, on the page of the archive. */
const SHOWN_AT_MOST = 200

/** Adds all rows of one kind as JSON and as CSV, and the schema of its JSON. */
export async function gatherKind(
  { takenAt: mtime, copy }: Snapshot,
  kind: Kind,
  userId: number,
  add: Add,
): Promise<GatheredKind> {
  const query = kind.rows(userId)
  const read = () => (query ? wholeLines(copy(query)) : nothing())
  const [toJson, toCsv] = [jsonRows(kind.columns), csvRows(kind.columns)]
  const header = csvHeader(kind.columns)
  const begun = await beginningOf(read(), SMALL)
  const shown = begun.lines.map(toJson).join('').split('\n').slice(0, -1).slice(0, SHOWN_AT_MOST)
  const put = (name: string, content: Buffer | AsyncIterable<Buffer>) =>
    add({ name, mtime, content })
  const schema = await put(`schema/${kind.name}.json`, jsonSchema(kind))

  if (begun.whole) {
    const lines = begun.lines.join('')
    const rows = countLines(lines)
    const objects = toJson(lines).trimEnd().replaceAll('\n', ',\n')
    const json = await put(`data/${kind.name}.json`, text(rows > 0 ? `[\n${objects}\n]\n` : '[]\n'))
    const csv = await put(`data/${kind.name}.csv`, text(header + toCsv(lines)))
    return { kind, rows, shown, entries: [{ ...json, rows }, { ...csv, rows }, schema] }
  }
  const inJson = { rows: 0 }
  const json = await put(`data/${kind.name}.jsonl`, counted(goOn(begun), toJson, inJson))
  // Once more, from the same snapshot: to hold them for the second file would take as much memory as there are rows.
  const inCsv = { rows: 0 }
  const csv = await put(`data/${kind.name}.csv`, counted(read(), toCsv, inCsv, header))
  if (inJson.rows !== inCsv.rows) throw new Error('one snapshot gave different rows')
  return {
    kind,
    rows: inJson.rows,
    shown,
    entries: [{ ...json, ...inJson }, { ...csv, ...inCsv }, schema],
  }
}

const text = (all: string) => Buffer.from(all)

async function* nothing(): AsyncGenerator<string> {}

async function* goOn({ lines, rest }: Beginning): AsyncGenerator<string> {
  yield* lines
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

async function* counted(
  lines: AsyncIterable<string>,
  write: (lines: string) => string,
  count: { rows: number },
  header?: string,
): AsyncGenerator<Buffer> {
  if (header) yield text(header)
  for await (const some of lines) {
    count.rows += countLines(some)
    yield text(write(some))
  }
}
