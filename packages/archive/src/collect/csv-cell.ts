const operator = '[=+\\-@＝＋－＠﹦﹢﹣﹫]'
const blank = '[\\p{White_Space}\\p{Cc}\\p{Cf}]'

/**
 * The places where a spreadsheet may begin to read a formula (OWASP, "CSV Injection"): the start of the cell,
 * with or without white space and invisible characters before the operator, and, because a spreadsheet
 * may split at other separators than ours, right behind a semicolon, a tab or a line break.
 */
const formula = new RegExp(
  `^(?=${blank}*${operator}|[\\t\\r])|(?<=[;\\t\\r\\n])(?=${operator})`,
  'gu',
)

/** One cell of RFC 4180, with an apostrophe where a spreadsheet would take text for a formula. */
export function csvCell(value: string): string {
  const text = value.replace(formula, "'")
  return /[",;\r\n\t]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
