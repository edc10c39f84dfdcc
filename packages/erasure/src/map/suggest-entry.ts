import type { Table } from './catalog.ts'

/** As it stands in the map. */
export function entryLine({ name, columns }: Table, links: string[]): string {
  const linkLines = links.map((link) => `${key(link)}: 'delete'`)
  return `${key(name)}: { is: '…', links: { ${linkLines.join(', ')} }, columns: { ${[...columns.keys()].map(columnLine).join(', ')} } }`
}

/** The line that would have to be added for a column. */
export const columnLine = (column: string) =>
  `${key(column)}: { is: '…', export: ${textLiteral(column)} }`

const key = (name: string) => (/^[A-Za-z_]\w*$/.test(name) ? name : textLiteral(name))

const textLiteral = (text: string) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`
