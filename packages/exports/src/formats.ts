import { type Cell, csvCell } from './csv-cell.ts'

export type Row = Record<string, Cell>

/** One way to write a table down; as many bytes in memory as one chunk has. */
export interface Format {
  extension: 'json' | 'csv'
  write(columns: readonly string[], rows: AsyncIterable<Row>): AsyncIterable<Buffer>
}

/** An array with one object, and so one line, for each row. Times become RFC 3339 in UTC. */
const json: Format = {
  extension: 'json',
  write: (_columns, rows) =>
    inChunks(async function* () {
      let before = '[\n'
      for await (const row of rows) {
        yield before + JSON.stringify(row)
        before = ',\n'
      }
      yield before === '[\n' ? '[]\n' : '\n]\n'
    }),
}

/** RFC 4180 with a header row, UTF-8 without a byte order mark. */
const csv: Format = {
  extension: 'csv',
  write: (columns, rows) =>
    inChunks(async function* () {
      yield `${columns.join(',')}\r\n`
      for await (const row of rows) {
        yield `${columns.map((column) => csvCell(row[column] ?? null)).join(',')}\r\n`
      }
    }),
}

export const formats = [json, csv] as const

/** Few large chunks instead of many small ones: each costs a turn through every stream behind. */
async function* inChunks(texts: () => AsyncIterable<string>): AsyncGenerator<Buffer> {
  let chunk = ''
  for await (const text of texts()) {
    chunk += text
    if (chunk.length < 65_536) continue
    yield Buffer.from(chunk)
    chunk = ''
  }
  if (chunk !== '') yield Buffer.from(chunk)
}
