const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const archive = new RegExp(`^(${uuid})\\.(${uuid})\\.zip\\.age$`)

/**
 * Each try has a lease of its own, so no two write under one name; and by the row of the export everybody can tell whether
 * what lies under a name is wanted. The name is no secret: what it names is sealed.
 */
export function archiveName(exportId: string, lease: string): string {
  const name = `${exportId}.${lease}.zip.age`
  if (!archive.test(name)) throw new TypeError('Not the name of an archive')
  return name
}

/** What was stored before archives were sealed, whole or begun: nobody reads it any more, and it is to go. */
const unsealed = new RegExp(`^([0-9a-f]{64}\\.zip|${uuid}\\.${uuid})$`)

export const isArchiveName = (name: string) => archive.test(name) || unsealed.test(name)

/** Names come from the database; checked all the same before they become a path. */
export function assertArchiveName(name: string): void {
  if (!isArchiveName(name)) throw new TypeError('Not the name of an archive')
}

/** Undefined for what is not sealed. */
export function readArchiveName(name: string): { exportId: string; lease: string } | undefined {
  const [, exportId, lease] = archive.exec(name) ?? []
  return exportId && lease ? { exportId, lease } : undefined
}
