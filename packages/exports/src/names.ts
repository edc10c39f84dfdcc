import { randomBytes } from 'node:crypto'

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const archive = /^[0-9a-f]{64}\.zip$/
const part = new RegExp(`^${uuid}\\.${uuid}\\.part$`)

/** 256 bits from nobody's clock or counter: who may not know the name cannot guess it. */
export const newArchiveName = () => `${randomBytes(32).toString('hex')}.zip`

export const isArchiveName = (name: string) => archive.test(name)

/** The name under which one try writes. Every try has a lease of its own, so no two write one file. */
export function partName(exportId: string, lease: string): string {
  const name = `${exportId}.${lease}.part`
  if (!isPartName(name)) throw new TypeError('The export or its lease is not a lower-case UUID')
  return name
}

export const isPartName = (name: string) => part.test(name)

export const exportOfPart = (name: string) => name.slice(0, name.indexOf('.'))

/** Names come from the database; checked all the same before they become a path. */
export function assertArchiveName(name: string): void {
  if (!isArchiveName(name)) throw new TypeError('Not the name of an archive')
}
