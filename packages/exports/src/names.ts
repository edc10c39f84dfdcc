const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const archive = new RegExp(`^(${uuid})\\.(${uuid})\\.zip\\.age$`)

/**
 * Each try has a lease of its own, so no two write under one name; and by the row of the export everybody can tell whether
 * what lies under a name is wanted. The name is no secret: what it names is sealed.
 */
export function archiveName(exportId: string, lease: string): string {
  const name = `${exportId}.${lease}.zip.age`
  assertArchiveName(name)
  return name
}

export const isArchiveName = (name: string) => archive.test(name)

/** Names come from the database; checked all the same before they become a path. */
export function assertArchiveName(name: string): void {
  if (!isArchiveName(name)) throw new TypeError('Not the name of an archive')
}

export function readArchiveName(name: string): { exportId: string; lease: string } {
  assertArchiveName(name)
  const [, exportId = '', lease = ''] = archive.exec(name) ?? []
  return { exportId, lease }
}
