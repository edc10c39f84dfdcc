import { cellText, mapLines, NULL } from './copy-text.ts'
import type { KindColumn } from './kinds.ts'
import { timeText, type ValueKind } from './values.ts'

/** Rows as they come from COPY → one JSON object, and so one line, for each. */
export function jsonRows(columns: readonly KindColumn[]): (lines: string) => string {
  const names = columns.map(
    ({ name }, place) => `${place === 0 ? '{' : ','}${JSON.stringify(name)}:`,
  )
  const writers = columns.map(({ kind }) => writeValue[kind])
  return (lines) =>
    mapLines(lines, (cells) => {
      let row = ''
      for (const [place, write] of writers.entries()) {
        const cell = cells[place] ?? NULL
        row += names[place] + (cell === NULL ? 'null' : write(cell))
      }
      return `${row}}\n`
    })
}

const needsEscape = /["\\\p{Cc}]/u
// What JSON takes for a number; `NaN` and `Infinity` are none.
const jsonNumber = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/

const writeValue: Record<ValueKind, (cell: string) => string> = {
  number: (cell) => (jsonNumber.test(cell) ? cell : `"${cell}"`),
  boolean: (cell) => (cell === 't' ? 'true' : 'false'),
  time: (cell) => `"${timeText(cell)}"`,
  // Between its values a `json` may have line breaks; inside of them it cannot.
  json: (cell) => cellText(cell).replace(/[\t\r\n]+/g, ' '),
  text: (cell) => (needsEscape.test(cell) ? JSON.stringify(cellText(cell)) : `"${cell}"`),
}
