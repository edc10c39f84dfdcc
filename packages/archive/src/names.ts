const uuidPattern = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const sealedName = new RegExp(`^(${uuidPattern})\\.(${uuidPattern})\\.zip\\.age$`)

/**
 * Each attempt has its own lease, so no two attempts write to the same name. The export's row shows whether the archive with
 * a name is still needed. The name is not secret, because the archive is sealed.
 */
export function archiveName(exportId: string, lease: string): string {
  const name = `${exportId}.${lease}.zip.age`
  if (!sealedName.test(name)) throw new TypeError('Not the name of an archive')
  return name
}

/** Names from before archives were sealed, complete or partial. These files are never read, only removed. */
const unsealedName = new RegExp(`^([0-9a-f]{64}\\.zip|${uuidPattern}\\.${uuidPattern})$`)

export const isArchiveName = (name: string) => sealedName.test(name) || unsealedName.test(name)

/** Names come from the database, but are still checked before they become part of a path. */
export function assertArchiveName(name: string): void {
  if (!isArchiveName(name)) throw new TypeError('Not the name of an archive')
}

/** Undefined if the name is not that of a sealed archive. */
export function readArchiveName(name: string): { exportId: string; lease: string } | undefined {
  const [, exportId, lease] = sealedName.exec(name) ?? []
  return exportId && lease ? { exportId, lease } : undefined
}
