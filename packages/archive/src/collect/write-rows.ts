import { cellText } from './copy-text.ts'
import { csvCell } from './csv-cell.ts'
import type { Output } from './output.ts'
import type { KindColumn, ValueKind } from './values.ts'

const [TAB, LINE, COMMA, QUOTE, BRACE, RETURN] = [0x09, 0x0a, 0x2c, 0x22, 0x7d, 0x0d]

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
        let [end, seen] = [start, PLAIN]
        for (let is = typeOf(lines, end); is !== ENDS; is = typeOf(lines, ++end)) seen |= is
        json.short(names[place] as Buffer)
        if (place > 0) csv.byte(COMMA)
        if (isNull(lines, start, end)) json.short(NULL)
        else (writers[place] as WriteCell)(lines, start, end, seen === PLAIN, json, csv)
        start = end + 1
      }
      json.byte(BRACE)
      json.byte(LINE)
      csv.byte(RETURN)
      csv.byte(LINE)
    }
    return rows
  }
}

/** Without it Excel on Windows reads the file in the machine's code page, not as UTF-8. */
const BYTE_ORDER_MARK = '\u{feff}'

/** The start of a CSV file: a byte-order mark and the row of names. */
export function csvHeader(columns: readonly KindColumn[]): string {
  return `${BYTE_ORDER_MARK}${columns.map(({ name }) => csvCell(name)).join(',')}\r\n`
}

/** `isPlain`: none of its bytes has to be escaped or quoted. */
type WriteCell = (
  lines: Buffer,
  start: number,
  end: number,
  isPlain: boolean,
  json: Output,
  csv: Output,
) => void

const [NULL, EMPTY] = [Buffer.from('null'), Buffer.from('""')]
const [TRUE, FALSE] = [Buffer.from('true'), Buffer.from('false')]

const [PLAIN, OTHER, ENDS] = [0, 1, 2]
const types = new Uint8Array(256).fill(OTHER)
for (const byte of Buffer.from('_./:@?=&%#~+-')) types[byte] = PLAIN
for (let byte = 0; byte < 128; byte++) if (isWord(byte)) types[byte] = PLAIN
types[TAB] = ENDS
types[LINE] = ENDS

const typeOf = (lines: Buffer, at: number) => types[lines[at] as number] as number

/** A letter or a digit, with which no formula begins. */
function isWord(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a)
  )
}

/** Backslash and N: there is no value. */
function isNull(lines: Buffer, start: number, end: number): boolean {
  return end - start === 2 && lines[start] === 0x5c && lines[start + 1] === 0x4e
}

/** To both, one of them with quotes around it. */
function asItIs(
  lines: Buffer,
  start: number,
  end: number,
  json: Output,
  csv: Output,
  quoted: boolean,
) {
  json.reserve(end - start + 2)
  csv.reserve(end - start)
  const [toJson, toCsv] = [json.bytes, csv.bytes]
  let [inJson, inCsv] = [json.length, csv.length]
  if (quoted) toJson[inJson++] = QUOTE
  for (let at = start; at < end; at++) {
    const byte = lines[at] as number
    toJson[inJson++] = byte
    toCsv[inCsv++] = byte
  }
  if (quoted) toJson[inJson++] = QUOTE
  json.length = inJson
  csv.length = inCsv
}

const text: WriteCell = (lines, start, end, isPlain, json, csv) => {
  if (start === end) {
    json.short(EMPTY)
    // Nothing at all says that there is no value.
    csv.short(EMPTY)
  } else if (isPlain && isWord(lines[start] as number)) {
    asItIs(lines, start, end, json, csv, true)
  } else {
    const text = cellText(lines.toString('utf8', start, end))
    json.text(JSON.stringify(text))
    csv.text(csvCell(text))
  }
}

/** What JSON takes for a number stands there as it is; `NaN` and `Infinity` are none. */
const number: WriteCell = (lines, start, end, _isPlain, json, csv) => {
  const last = lines[end - 1] as number
  asItIs(lines, start, end, json, csv, last < 0x30 || last > 0x39)
}

const boolean: WriteCell = (lines, start, _end, _isPlain, json, csv) => {
  const value = lines[start] === 0x74 ? TRUE : FALSE
  json.short(value)
  csv.short(value)
}

/** RFC 3339 in UTC, of what a connection in UTC says: `2026-01-31 12:00:00.5+00`. Not every time is one (`infinity`). */
const time: WriteCell = (lines, start, end, _isPlain, json, csv) => {
  if (!isInstant(lines, start, end)) return asItIs(lines, start, end, json, csv, true)
  const length = end - 2 - start
  asItIs(lines, start, start + length, json, csv, true)
  const [inJson, inCsv] = [json.length - 1, csv.length]
  json.bytes[inJson - length + DATE] = csv.bytes[inCsv - length + DATE] = T
  json.bytes[inJson - 1] = csv.bytes[inCsv - 1] = Z
}

const [T, Z, DATE] = [0x54, 0x5a, '2026-01-31'.length]

function isInstant(lines: Buffer, start: number, end: number): boolean {
  return (
    lines[start + 4] === 0x2d &&
    lines[start + DATE] === 0x20 &&
    lines[end - 3] === 0x2b &&
    lines[end - 2] === 0x30 &&
    lines[end - 1] === 0x30
  )
}

/** Between its values a `json` may have line breaks; inside of them it cannot. */
const jsonText: WriteCell = (lines, start, end, _isPlain, json, csv) => {
  const value = cellText(lines.toString('utf8', start, end)).replace(/[\t\r\n]+/g, ' ')
  json.text(value)
  csv.text(csvCell(value))
}

const writeCell: Record<ValueKind, WriteCell> = { text, number, boolean, time, json: jsonText }
