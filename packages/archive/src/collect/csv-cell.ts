const operator = '[=+\\-@＝＋－＠﹦﹢﹣﹫]'
const blank = '[\\p{White_Space}\\p{Cc}\\p{Cf}]'

/**
 * Where a spreadsheet may start to read a formula (OWASP, "CSV Injection"): at the start of the cell, also after white space
 * and invisible characters; and right after a semicolon, tab or line break, because a spreadsheet may split at these.
 */
const formula = new RegExp(
  `^(?=${blank}*${operator}|[\\t\\r])|(?<=[;\\t\\r\\n])(?=${operator})`,
  'gu',
)

/** One cell of RFC 4180, with an apostrophe where a spreadsheet would read text as a formula. */
export function csvCell(value: string): string {
  const text = value.replace(formula, "'")
  return /[",;\r\n\t]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
