import type { SnapshotPool } from '@lethe/db'
import { readPeople } from './collect/read-people.ts'
import { type ArchiveOptions, type MadeArchive, makeArchive, storeArchive } from './make-archive.ts'
import type { Storage } from './storage/storage.ts'

/** The options that several archives share. */
type SharedOptions = Pick<ArchiveOptions, 'lease' | 'plan' | 'uploadDir' | 'signal'>
type OwnOptions = Omit<ArchiveOptions, keyof SharedOptions>

export interface PreparedArchive {
  exportId: string
  /** Makes the archive; undefined if the person has so much data that the archive must be made individually. */
  make: (() => Promise<MadeArchive>) | undefined
}

/**
 * Prepares the archives of several people. Their rows are read together, in one snapshot, and stay in memory until each
 * archive is made. The rows of a single person, of any size, are streamed while the archive is made.
 */
export async function prepareArchives(
  readers: SnapshotPool,
  storage: Storage,
  shared: SharedOptions,
  people: readonly OwnOptions[],
): Promise<PreparedArchive[]> {
  const allOptions = people.map((own) => ({ ...shared, ...own }))
  const [one, ...others] = allOptions
  if (one && others.length === 0)
    return [{ exportId: one.exportId, make: () => makeArchive(readers, storage, one) }]
  const userIds = people.map(({ userId }) => userId)
  const read = await readPeople(readers, shared.plan, userIds, shared.signal)
  return allOptions.map((options, place) => {
    const readPerson = read[place]
    const make = readPerson && (() => storeArchive(storage, readPerson, options))
    return { exportId: options.exportId, make }
  })
}
