import type { AddedEntry, Zip } from '../zip/zip.ts'
import { type Beginning, readBeginning } from './copy-text.ts'
import type { Dataset } from './datasets.ts'
import { Output } from './output.ts'
import { createRowWriter, csvHeader } from './write-rows.ts'

/** What was added of one dataset, and what the archive's page shows of it. */
export interface CollectedDataset {
  dataset: Dataset
  rows: number
  entries: (AddedEntry & { rows?: number })[]
  /** The first rows, each as a line of JSON. */
  preview: string[]
}

/** A dataset up to this size is held in memory and written as one JSON array; a larger one as JSON lines. */
const MAX_SMALL_BYTES = 256 * 1024
/** JSON is passed to the deflate thread in batches of this size: for less, the handover takes longer than the deflation. */
const DEFLATE_BATCH_BYTES = 512 * 1024
/** Limits of the rows that the archive's page shows of a dataset. The first row is shown at any length. */
const MAX_PREVIEW_ROWS = 200
const MAX_PREVIEW_LENGTH = 256 * 1024

/** Adds all rows of one dataset as JSON and as CSV, and the schema of the JSON. */
export async function collectDataset(
  dataset: Dataset,
  rows: AsyncIterable<Buffer>,
  zip: Zip,
): Promise<CollectedDataset> {
  const schema = await zip.add(`schema/${dataset.name}.json`, dataset.schema)
  const beginning = await readBeginning(rows, MAX_SMALL_BYTES)
  const { json, entries, ...added } = beginning.isComplete
    ? await addSmall(dataset, Buffer.concat(beginning.lines), zip)
    : await addLarge(dataset, beginning, zip)
  return {
    dataset,
    preview: previewOf(json),
    ...added,
    entries: [...entries.map((entry) => ({ ...entry, ...added })), schema],
  }
}

interface AddedRows {
  rows: number
  /** The first rows, at least as many as the preview shows. */
  json: string
  entries: AddedEntry[]
}

/** The result does not depend on the chunks in which the rows came. */
function previewOf(json: string): string[] {
  const rows = json.split('\n', MAX_PREVIEW_ROWS + 1).slice(0, -1)
  let length = 0
  const tooMuch = rows.findIndex((row, place) => {
    length += row.length
    return place > 0 && length > MAX_PREVIEW_LENGTH
  })
  return tooMuch < 0 ? rows : rows.slice(0, tooMuch)
}

async function addSmall({ name, columns }: Dataset, lines: Buffer, zip: Zip): Promise<AddedRows> {
  const [json, csv] = [new Output(), new Output()]
  csv.writeText(csvHeader(columns))
  const rows = createRowWriter(columns)(lines, json, csv)
  const objects = json.written().toString()
  const array = rows > 0 ? `[\n${objects.trimEnd().replaceAll('\n', ',\n')}\n]\n` : '[]\n'
  const entries = [
    await zip.add(`data/${name}.json`, Buffer.from(array)),
    await zip.add(`data/${name}.csv`, csv.written()),
  ]
  return { rows, json: objects, entries }
}

/** Writes both files at the same time, so that the rows are read once and not kept in memory. */
async function addLarge(
  { name, columns }: Dataset,
  begun: Beginning,
  zip: Zip,
): Promise<AddedRows> {
  const write = createRowWriter(columns)
  const json = await zip.open(`data/${name}.jsonl`)
  const csv = await zip.openBeside(`data/${name}.csv`)
  // Double buffering: one pair is filled while the other one is deflated.
  let [filled, other] = [createOutputs(), createOutputs()]
  const flush = async () => {
    const { json: objects, csv: lines } = filled
    filled.taken = waitForBoth(json.write(objects.written()), csv.write(lines.written()))
    ;[filled, other] = [other, filled]
    await filled.taken
    filled.json.clear()
    filled.csv.clear()
  }
  try {
    let [rows, first] = [0, '']
    filled.csv.writeText(csvHeader(columns))
    for await (const lines of readRemaining(begun)) {
      const { length } = filled.json
      rows += write(lines, filled.json, filled.csv)
      if (first.length <= MAX_PREVIEW_LENGTH)
        first += filled.json.written().toString('utf8', length)
      if (filled.json.length >= DEFLATE_BATCH_BYTES) await flush()
    }
    await flush()
    await other.taken
    return { rows, json: first, entries: [await json.end(), await csv.end()] }
  } finally {
    await Promise.all([json.close(), csv.close()])
  }
}

const createOutputs = () => ({ json: new Output(), csv: new Output(), taken: nothingPending })

const nothingPending: Promise<unknown> = Promise.resolve()

/** A failure is reported when the result is awaited, and is not an unhandled rejection before. */
function waitForBoth(...taken: Promise<void>[]): Promise<unknown> {
  const all = Promise.all(taken)
  all.catch(() => {})
  return all
}

async function* readRemaining({ lines, rest }: Beginning): AsyncGenerator<Buffer> {
  yield* lines
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}
