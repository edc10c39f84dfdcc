import type { Table } from './table.ts'

/** The line to add to the map for a table. */
export function suggestEntry({ name, columns }: Table, links: string[]): string {
  const linkLines = links.map((link) => `${key(link)}: 'delete'`)
  return `${key(name)}: { description: '…', references: { ${linkLines.join(', ')} }, columns: { ${[...columns.keys()].map(suggestColumn).join(', ')} } }`
}

/** The line to add to the map for a column. */
export const suggestColumn = (column: string) =>
  `${key(column)}: { description: '…', export: ${textLiteral(column)} }`

const key = (name: string) => (/^[A-Za-z_]\w*$/.test(name) ? name : textLiteral(name))

const textLiteral = (text: string) => `'${text.replaceAll(/[\\']/g, '\\$&')}'`
