import type { SnapshotPool } from '@lethe/db'
import { readPeople } from './collect/read-people.ts'
import { type ArchiveOptions, type MadeArchive, makeArchive, storeArchive } from './make-archive.ts'
import type { Storage } from './storage/storage.ts'

/** What several archives have in common. */
type Shared = Pick<ArchiveOptions, 'lease' | 'plan' | 'uploadDir' | 'signal'>
type Own = Omit<ArchiveOptions, keyof Shared>

export interface PreparedArchive {
  exportId: string
  /** As `makeArchive` makes it; absent where it is so much that it is to be made alone. */
  make: (() => Promise<MadeArchive>) | undefined
}

/**
 * Archives of several people, whose rows are read at once, in one snapshot, and held until each is made. One alone is read
 * while it is made, however much it is.
 */
export async function prepareArchives(
  readers: SnapshotPool,
  storage: Storage,
  shared: Shared,
  people: readonly Own[],
): Promise<PreparedArchive[]> {
  const whole = people.map((own) => ({ ...shared, ...own }))
  const [one, ...others] = whole
  if (one && others.length === 0)
    return [{ exportId: one.exportId, make: () => makeArchive(readers, storage, one) }]
  const userIds = people.map(({ userId }) => userId)
  const read = await readPeople(readers, shared.plan, userIds, shared.signal)
  return whole.map((options, place) => {
    const readPerson = read[place]
    const make = readPerson && (() => storeArchive(storage, readPerson, options))
    return { exportId: options.exportId, make }
  })
}
