// The text format of COPY: a line for each row, a tab between cells, and backslash escapes for tabs, line breaks and backslashes.

const escapes: Record<string, string> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
}

/** The text of a cell that is not null. */
export function decodeCell(cell: string): string {
  return cell.includes('\\') ? cell.replace(/\\(.)/gs, (_, one) => escapes[one] ?? one) : cell
}

export interface Beginning {
  lines: Buffer[]
  /** `lines` has all lines. */
  isComplete: boolean
  rest: AsyncIterator<Buffer>
}

/** Reads lines until there are no more, or more than `most` bytes of them. */
export async function readBeginning(
  lines: AsyncIterable<Buffer>,
  maxBytes: number,
): Promise<Beginning> {
  const rest = lines[Symbol.asyncIterator]()
  const read: Buffer[] = []
  for (let size = 0; size <= maxBytes; size += read.at(-1)?.length ?? 0) {
    const { done, value } = await rest.next()
    if (done) return { lines: read, isComplete: true, rest }
    read.push(value)
  }
  return { lines: read, isComplete: false, rest }
}
