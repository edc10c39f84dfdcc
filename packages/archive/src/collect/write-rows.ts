import { decodeCell } from './copy-text.ts'
import { csvCell } from './csv-cell.ts'
import type { Output } from './output.ts'
import type { DatasetColumn, ValueKind } from './values.ts'

const [TAB, LINE_FEED, COMMA, QUOTE, BRACE, CARRIAGE_RETURN] = [0x09, 0x0a, 0x2c, 0x22, 0x7d, 0x0d]

/**
 * Converts complete lines of COPY to one line of JSON and one of CSV (RFC 4180, with formulas neutralized) for each row.
 * Returns the number of rows. Bytes are copied without decoding; only cells that need escapes or quotes are decoded to text.
 * Decoding all cells would take three times as long.
 */
export function createRowWriter(
  columns: readonly DatasetColumn[],
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
        for (let is = classOf(lines, end); is !== CELL_END; is = classOf(lines, ++end)) seen |= is
        json.writeShort(names[place] as Buffer)
        if (place > 0) csv.byte(COMMA)
        if (isNull(lines, start, end)) json.writeShort(NULL)
        else (writers[place] as WriteCell)(lines, start, end, seen === PLAIN, json, csv)
        start = end + 1
      }
      json.byte(BRACE)
      json.byte(LINE_FEED)
      csv.byte(CARRIAGE_RETURN)
      csv.byte(LINE_FEED)
    }
    return rows
  }
}

/** Without it, Excel on Windows reads the file in the machine's code page, not as UTF-8. */
const BYTE_ORDER_MARK = '\u{feff}'

/** The start of a CSV file: a byte-order mark and the row of column names. */
export function csvHeader(columns: readonly DatasetColumn[]): string {
  return `${BYTE_ORDER_MARK}${columns.map(({ name }) => csvCell(name)).join(',')}\r\n`
}

/** `isPlain`: no byte of the cell needs an escape or quotes. */
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

const [PLAIN, OTHER, CELL_END] = [0, 1, 2]
const byteClasses = new Uint8Array(256).fill(OTHER)
for (const byte of Buffer.from('_./:@?=&%#~+-')) byteClasses[byte] = PLAIN
for (let byte = 0; byte < 128; byte++) if (isLetterOrDigit(byte)) byteClasses[byte] = PLAIN
byteClasses[TAB] = CELL_END
byteClasses[LINE_FEED] = CELL_END

const classOf = (lines: Buffer, at: number) => byteClasses[lines[at] as number] as number

/** ASCII only. No formula starts with one of these. */
function isLetterOrDigit(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a)
  )
}

/** COPY writes null as `\N`. */
function isNull(lines: Buffer, start: number, end: number): boolean {
  return end - start === 2 && lines[start] === 0x5c && lines[start + 1] === 0x4e
}

/** Copies the bytes to both outputs; `quoted` adds quotes in the JSON. */
function copyCell(
  lines: Buffer,
  start: number,
  end: number,
  json: Output,
  csv: Output,
  quoted: boolean,
) {
  json.reserve(end - start + 2)
  csv.reserve(end - start)
  const [toJson, toCsv] = [json.writeBytes, csv.writeBytes]
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
    json.writeShort(EMPTY)
    // An unquoted empty CSV cell means null.
    csv.writeShort(EMPTY)
  } else if (isPlain && isLetterOrDigit(lines[start] as number)) {
    copyCell(lines, start, end, json, csv, true)
  } else {
    const text = decodeCell(lines.toString('utf8', start, end))
    json.writeText(JSON.stringify(text))
    csv.writeText(csvCell(text))
  }
}

/** Numbers are valid JSON as they are; `NaN` and `Infinity` are not, and get quotes. */
const number: WriteCell = (lines, start, end, _isPlain, json, csv) => {
  const last = lines[end - 1] as number
  copyCell(lines, start, end, json, csv, last < 0x30 || last > 0x39)
}

const boolean: WriteCell = (lines, start, _end, _isPlain, json, csv) => {
  const value = lines[start] === 0x74 ? TRUE : FALSE
  json.writeShort(value)
  csv.writeShort(value)
}

/** RFC 3339, from the text of a connection in UTC: `2026-01-31 12:00:00.5+00`. Other values (`infinity`) are copied. */
const time: WriteCell = (lines, start, end, _isPlain, json, csv) => {
  if (!isFiniteTime(lines, start, end)) return copyCell(lines, start, end, json, csv, true)
  const length = end - 2 - start
  copyCell(lines, start, start + length, json, csv, true)
  const [inJson, inCsv] = [json.length - 1, csv.length]
  json.writeBytes[inJson - length + DATE] = csv.writeBytes[inCsv - length + DATE] = T
  json.writeBytes[inJson - 1] = csv.writeBytes[inCsv - 1] = Z
}

const [T, Z, DATE] = [0x54, 0x5a, '2026-01-31'.length]

function isFiniteTime(lines: Buffer, start: number, end: number): boolean {
  return (
    lines[start + 4] === 0x2d &&
    lines[start + DATE] === 0x20 &&
    lines[end - 3] === 0x2b &&
    lines[end - 2] === 0x30 &&
    lines[end - 1] === 0x30
  )
}

/** A `json` value can have line breaks between tokens, but not inside strings, so they can become spaces. */
const jsonText: WriteCell = (lines, start, end, _isPlain, json, csv) => {
  const value = decodeCell(lines.toString('utf8', start, end)).replace(/[\t\r\n]+/g, ' ')
  json.writeText(value)
  csv.writeText(csvCell(value))
}

const writeCell: Record<ValueKind, WriteCell> = { text, number, boolean, time, json: jsonText }
