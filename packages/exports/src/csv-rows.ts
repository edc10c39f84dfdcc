import { cellText, mapLines, NULL } from './copy-text.ts'
import { csvCell } from './csv-cell.ts'
import type { KindColumn } from './kinds.ts'
import { timeText, type ValueKind } from './values.ts'

/** Rows as they come from COPY → RFC 4180, with formulas neutralised. */
export function csvRows(columns: readonly KindColumn[]): (lines: string) => string {
  const writers = columns.map(({ kind }) => writeValue[kind])
  return (lines) =>
    mapLines(lines, (cells) => {
      let row = ''
      for (const [place, write] of writers.entries()) {
        const cell = cells[place] ?? NULL
        if (place > 0) row += ','
        if (cell !== NULL) row += write(cell)
      }
      return `${row}\r\n`
    })
}

export function csvHeader(columns: readonly KindColumn[]): string {
  return `${columns.map(({ name }) => csvCell(name)).join(',')}\r\n`
}

// Most cells: nothing in them is quoted, and no formula begins in them.
const plain = /^[A-Za-z0-9](?:[^",;\\\s]*)$/
const text = (cell: string) => (plain.test(cell) ? cell : csvCell(cellText(cell)))

const writeValue: Record<ValueKind, (cell: string) => string> = {
  number: (cell) => cell,
  boolean: (cell) => (cell === 't' ? 'true' : 'false'),
  time: timeText,
  json: text,
  text,
}
