import type { Table } from './catalogue.ts'

/** As it stands in the map. */
export function entryLine({ name, columns }: Table, links: string[]): string {
  const key = /^\w+$/.test(name) ? name : `'${name}'`
  const linkLines = links.map((link) => `${/^\w+$/.test(link) ? link : `'${link}'`}: 'delete'`)
  return `${key}: { is: '…', links: { ${linkLines.join(', ')} }, columns: { ${[...columns.keys()].map(columnLine).join(', ')} } }`
}

/** The line that would have to be added for a column. */
export const columnLine = (column: string) => `${column}: { is: '…', export: '${column}' }`
