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

/** What a cell that is not null says. */
export function cellText(cell: string): string {
  return cell.includes('\\') ? cell.replace(/\\(.)/gs, (_, one) => escapes[one] ?? one) : cell
}

export interface Beginning {
  lines: Buffer[]
  /** There is no more than that. */
  whole: boolean
  rest: AsyncIterator<Buffer>
}

/** Reads lines until there are no more, or more than `most` bytes of them. */
export async function beginningOf(lines: AsyncIterable<Buffer>, most: number): Promise<Beginning> {
  const rest = lines[Symbol.asyncIterator]()
  const read: Buffer[] = []
  for (let size = 0; size <= most; size += read.at(-1)?.length ?? 0) {
    const { done, value } = await rest.next()
    if (done) return { lines: read, whole: true, rest }
    read.push(value)
  }
  return { lines: read, whole: false, rest }
}
