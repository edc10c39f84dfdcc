import { cellText } from './copy-text.ts'
import { csvCell } from './csv-cell.ts'
import type { KindColumn } from './kinds.ts'
import type { Output } from './output.ts'
import { timeText, type ValueKind } from './values.ts'

const [TAB, LINE, COMMA, QUOTE, END, RETURN] = [0x09, 0x0a, 0x2c, 0x22, 0x7d, 0x0d]

/**
 * Whole lines as they come from COPY → an object, and so a line, of JSON for each row, and one of CSV (RFC 4180, with
 * formulas neutralised). Rows are counted. Bytes go from one to the others as they are; text is made only of cells in
 * which something has to be escaped or quoted: to make it of all would take three times as long.
 */
export function rowWriter(
  columns: readonly KindColumn[],
): (lines: Buffer, json: Output, csv: Output) => number {
  const names = columns.map(({ name }, place) =>
    Buffer.from(`${place === 0 ? '{' : ','}${JSON.stringify(name)}:`),
  )
  const writers = columns.map(({ kind }) => writeCell[kind])
  return (lines, json, csv) => {
    let rows = 0
    for (let start = 0; start < lines.length; rows++) {
      for (let place = 0; place < writers.length; place++) {
        let end = start
        while (lines[end] !== TAB && lines[end] !== LINE) end++
        json.bytes(names[place] as Buffer)
        if (place > 0) csv.byte(COMMA)
        // Backslash and N: there is no value.
        if (end - start === 2 && lines[start] === 0x5c && lines[start + 1] === 0x4e)
          json.bytes(NULL)
        else (writers[place] as WriteCell)(lines, start, end, json, csv)
        start = end + 1
      }
      json.byte(END)
      json.byte(LINE)
      csv.byte(RETURN)
      csv.byte(LINE)
    }
    return rows
  }
}

export function csvHeader(columns: readonly KindColumn[]): string {
  return `${columns.map(({ name }) => csvCell(name)).join(',')}\r\n`
}

type WriteCell = (lines: Buffer, start: number, end: number, json: Output, csv: Output) => void

const [NULL, EMPTY] = [Buffer.from('null'), Buffer.from('""')]
const [TRUE, FALSE] = [Buffer.from('true'), Buffer.from('false')]

// Most cells of text: nothing in them is escaped or quoted, and no formula begins in them.
const plain = new Uint8Array(256)
for (const byte of Buffer.from('_./:@?=&%#~+-')) plain[byte] = 1
const plainStart = new Uint8Array(256)
for (let byte = 0; byte < 128; byte++)
  if (/[A-Za-z0-9]/.test(String.fromCharCode(byte))) {
    plain[byte] = 1
    plainStart[byte] = 1
  }

function isPlain(lines: Buffer, start: number, end: number): boolean {
  if (plainStart[lines[start] as number] === 0) return false
  for (let at = start + 1; at < end; at++) if (plain[lines[at] as number] === 0) return false
  return true
}

const text: WriteCell = (lines, start, end, json, csv) => {
  if (start === end) {
    json.bytes(EMPTY)
    // Nothing at all says that there is no value.
    csv.bytes(EMPTY)
    return
  }
  if (isPlain(lines, start, end)) {
    json.byte(QUOTE)
    json.bytes(lines, start, end)
    json.byte(QUOTE)
    csv.bytes(lines, start, end)
    return
  }
  const text = cellText(lines.toString('utf8', start, end))
  json.text(JSON.stringify(text))
  csv.text(csvCell(text))
}

/** What JSON takes for a number stands there as it is; `NaN` and `Infinity` are none. */
const number: WriteCell = (lines, start, end, json, csv) => {
  const last = lines[end - 1] as number
  const isNumber = last >= 0x30 && last <= 0x39
  if (!isNumber) json.byte(QUOTE)
  json.bytes(lines, start, end)
  if (!isNumber) json.byte(QUOTE)
  csv.bytes(lines, start, end)
}

const boolean: WriteCell = (lines, start, _end, json, csv) => {
  const value = lines[start] === 0x74 ? TRUE : FALSE
  json.bytes(value)
  csv.bytes(value)
}

const time: WriteCell = (lines, start, end, json, csv) => {
  const time = Buffer.from(timeText(lines.toString('latin1', start, end)))
  json.byte(QUOTE)
  json.bytes(time)
  json.byte(QUOTE)
  csv.bytes(time)
}

/** Between its values a `json` may have line breaks; inside of them it cannot. */
const jsonText: WriteCell = (lines, start, end, json, csv) => {
  const value = cellText(lines.toString('utf8', start, end)).replace(/[\t\r\n]+/g, ' ')
  json.text(value)
  csv.text(csvCell(value))
}

const writeCell: Record<ValueKind, WriteCell> = { text, number, boolean, time, json: jsonText }
