import type { Added, Zip } from '../zip/zip.ts'
import { type Beginning, beginningOf } from './copy-text.ts'
import type { Dataset } from './datasets.ts'
import { Output } from './output.ts'
import { csvHeader, rowWriter } from './write-rows.ts'

/** What was added of one kind, and what the page of the archive shows of it. */
export interface CollectedDataset {
  kind: Dataset
  rows: number
  entries: (Added & { rows?: number })[]
  /** The first rows, each a line of JSON. */
  shown: string[]
}

/** Up to so many bytes of a kind are held in memory, and written as one JSON array: more come line by line. */
const SMALL = 256 * 1024
/** What is deflated at once, of JSON: to hand over less takes longer than to deflate it. */
const PIECE = 512 * 1024
/** Rows of each kind on the page of the archive, and how long they are as JSON, but for the first one. */
const SHOWN_AT_MOST = 200
const SHOWN_LENGTH = 256 * 1024

/** Adds all rows of one kind as JSON and as CSV, and the schema of its JSON. */
export async function collectDataset(
  kind: Dataset,
  rows: AsyncIterable<Buffer>,
  zip: Zip,
): Promise<CollectedDataset> {
  const schema = await zip.add(`schema/${kind.name}.json`, kind.schema)
  const begun = await beginningOf(rows, SMALL)
  const { json, entries, ...added } = begun.whole
    ? await addSmall(kind, Buffer.concat(begun.lines), zip)
    : await addLarge(kind, begun, zip)
  return {
    ...{ kind, shown: shownOf(json), ...added },
    entries: [...entries.map((entry) => ({ ...entry, ...added })), schema],
  }
}

interface AddedRows {
  rows: number
  /** Of the first of them: as much as is shown, or more. */
  json: string
  entries: Added[]
}

/** In whatever pieces the rows came, these are the same. */
function shownOf(json: string): string[] {
  const rows = json.split('\n', SHOWN_AT_MOST + 1).slice(0, -1)
  let length = 0
  const tooMuch = rows.findIndex((row, place) => {
    length += row.length
    return place > 0 && length > SHOWN_LENGTH
  })
  return tooMuch < 0 ? rows : rows.slice(0, tooMuch)
}

async function addSmall({ name, columns }: Dataset, lines: Buffer, zip: Zip): Promise<AddedRows> {
  const [json, csv] = [new Output(), new Output()]
  csv.text(csvHeader(columns))
  const rows = rowWriter(columns)(lines, json, csv)
  const objects = json.written().toString()
  const array = rows > 0 ? `[\n${objects.trimEnd().replaceAll('\n', ',\n')}\n]\n` : '[]\n'
  const entries = [
    await zip.add(`data/${name}.json`, Buffer.from(array)),
    await zip.add(`data/${name}.csv`, csv.written()),
  ]
  return { rows, json: objects, entries }
}

/** Both at once, so that the rows are read once, and none of them is held. */
async function addLarge(
  { name, columns }: Dataset,
  begun: Beginning,
  zip: Zip,
): Promise<AddedRows> {
  const write = rowWriter(columns)
  const json = await zip.open(`data/${name}.jsonl`)
  const csv = await zip.openBeside(`data/${name}.csv`)
  // Two of each: one is written while the other one is deflated.
  let [filled, other] = [newPiece(), newPiece()]
  const pass = async () => {
    const { json: objects, csv: lines } = filled
    filled.taken = both(json.write(objects.written()), csv.write(lines.written()))
    ;[filled, other] = [other, filled]
    await filled.taken
    filled.json.clear()
    filled.csv.clear()
  }
  try {
    let [rows, first] = [0, '']
    filled.csv.text(csvHeader(columns))
    for await (const lines of goOn(begun)) {
      const { length } = filled.json
      rows += write(lines, filled.json, filled.csv)
      if (first.length <= SHOWN_LENGTH) first += filled.json.written().toString('utf8', length)
      if (filled.json.length >= PIECE) await pass()
    }
    await pass()
    await other.taken
    return { rows, json: first, entries: [await json.end(), await csv.end()] }
  } finally {
    await Promise.all([json.close(), csv.close()])
  }
}

const newPiece = () => ({ json: new Output(), csv: new Output(), taken: settled })

const settled: Promise<unknown> = Promise.resolve()

/** Whoever fails is heard of when it is waited for. */
function both(...taken: Promise<void>[]): Promise<unknown> {
  const all = Promise.all(taken)
  all.catch(() => {})
  return all
}

async function* goOn({ lines, rest }: Beginning): AsyncGenerator<Buffer> {
  yield* lines
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}
