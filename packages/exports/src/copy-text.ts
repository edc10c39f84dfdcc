// The text format of COPY: a line for each row, a tab between cells, and a backslash before what would be mistaken for either.

const escapes: Record<string, string> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
}

/** How it writes that there is no value. */
export const NULL = '\\N'

/** What a cell that is not null says. */
export function cellText(cell: string): string {
  return cell.includes('\\') ? cell.replace(/\\(.)/gs, (_, one) => escapes[one] ?? one) : cell
}

/** The bytes of whole lines, as text: no chunk ends in the middle of a line. */
export async function* wholeLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer[] = []
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(0x0a) + 1
    if (end === 0) {
      rest.push(chunk)
      continue
    }
    const begun = rest.length > 0 ? Buffer.concat([...rest, chunk.subarray(0, end)]) : undefined
    yield (begun ?? chunk).toString('utf8', 0, begun?.length ?? end)
    rest = end < chunk.length ? [chunk.subarray(end)] : []
  }
}

/** What `write` makes of each line's cells, joined. */
export function mapLines(lines: string, write: (cells: string[]) => string): string {
  let written = ''
  for (let start = 0, end = lines.indexOf('\n'); end !== -1; end = lines.indexOf('\n', start)) {
    written += write(lines.slice(start, end).split('\t'))
    start = end + 1
  }
  return written
}

export interface Beginning {
  lines: string[]
  /** There is no more than that. */
  whole: boolean
  rest: AsyncIterator<string>
}

/** Reads lines until there are no more, or more than `most` characters of them. */
export async function beginningOf(lines: AsyncIterable<string>, most: number): Promise<Beginning> {
  const rest = lines[Symbol.asyncIterator]()
  const read: string[] = []
  for (let size = 0; size <= most; size += read.at(-1)?.length ?? 0) {
    const { done, value } = await rest.next()
    if (done) return { lines: read, whole: true, rest }
    read.push(value)
  }
  return { lines: read, whole: false, rest }
}

export function countLines(lines: string): number {
  let count = 0
  for (let end = lines.indexOf('\n'); end !== -1; end = lines.indexOf('\n', end + 1)) count++
  return count
}
