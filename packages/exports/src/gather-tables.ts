import type { Snapshot } from '@lethe/db'
import { type Beginning, beginningOf, countLines, wholeLines } from './copy-text.ts'
import { csvHeader, csvRows } from './csv-rows.ts'
import { jsonRows } from './json-rows.ts'
import { jsonSchema } from './json-schema.ts'
import type { Kind } from './kinds.ts'
import type { Added, Zip } from './zip.ts'

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
  { copy }: Snapshot,
  kind: Kind,
  userId: number,
  zip: Zip,
): Promise<GatheredKind> {
  const schema = await zip.add(`schema/${kind.name}.json`, jsonSchema(kind))
  const query = kind.rows(userId)
  const begun = await beginningOf(query ? wholeLines(copy(query)) : nothing(), SMALL)
  const toJson = jsonRows(kind.columns)
  const shown = begun.lines.map(toJson).join('').split('\n').slice(0, -1).slice(0, SHOWN_AT_MOST)
  const { rows, entries } = begun.whole
    ? await addSmall(kind, begun.lines.join(''), zip)
    : await addLarge(kind, begun, zip)
  return { kind, rows, shown, entries: [...entries.map((entry) => ({ ...entry, rows })), schema] }
}

interface AddedRows {
  rows: number
  entries: Added[]
}

async function addSmall({ name, columns }: Kind, lines: string, zip: Zip): Promise<AddedRows> {
  const objects = jsonRows(columns)(lines).trimEnd().replaceAll('\n', ',\n')
  const json = objects ? `[\n${objects}\n]\n` : '[]\n'
  const csv = csvHeader(columns) + csvRows(columns)(lines)
  const entries = [
    await zip.add(`data/${name}.json`, Buffer.from(json)),
    await zip.add(`data/${name}.csv`, Buffer.from(csv)),
  ]
  return { rows: countLines(lines), entries }
}

/** Both at once, so that the rows are read once, and none of them is held. */
async function addLarge({ name, columns }: Kind, begun: Beginning, zip: Zip): Promise<AddedRows> {
  const [toJson, toCsv] = [jsonRows(columns), csvRows(columns)]
  const json = await zip.open(`data/${name}.jsonl`)
  const csv = await zip.openBeside(`data/${name}.csv`)
  try {
    let rows = 0
    await csv.write(Buffer.from(csvHeader(columns)))
    for await (const lines of goOn(begun)) {
      rows += countLines(lines)
      await json.write(Buffer.from(toJson(lines)))
      await csv.write(Buffer.from(toCsv(lines)))
    }
    return { rows, entries: [await json.end(), await csv.end()] }
  } finally {
    await Promise.all([json.close(), csv.close()])
  }
}

async function* nothing(): AsyncGenerator<string> {}

async function* goOn({ lines, rest }: Beginning): AsyncGenerator<string> {
  yield* lines
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}
