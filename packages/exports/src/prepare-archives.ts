import type { Readers } from '@lethe/db'
import { type ArchiveOptions, type MadeArchive, storeArchive } from './make-archive.ts'
import { readPeople } from './read-people.ts'
import { personReader } from './read-person.ts'
import type { Storage } from './storage/storage.ts'

/** What several archives have in common. */
type Shared = Pick<ArchiveOptions, 'lease' | 'plan' | 'uploadDir' | 'signal'>

export interface PreparedArchive {
  exportId: string
  /** As `makeArchive` makes it; absent where it is so much that it is to be made alone. */
  make: (() => Promise<MadeArchive>) | undefined
}

/**
 * Archives of several people, whose rows are read at once, in one snapshot, and held until each is made. One alone is read
 * while it is made, however much it is.
 */
export async function prepareArchives<Own extends Omit<ArchiveOptions, keyof Shared>>(
  readers: Readers,
  storage: Storage,
  shared: Shared,
  people: readonly Own[],
): Promise<PreparedArchive[]> {
  const { plan, signal } = shared
  const userIds = people.map(({ userId }) => userId)
  const read =
    userIds.length > 1
      ? await readPeople(readers, plan, userIds, signal)
      : userIds.map((userId) => personReader(readers, plan, userId, signal))
  return people.map((own, place) => {
    const readPerson = read[place]
    const make = readPerson && (() => storeArchive(storage, readPerson, { ...shared, ...own }))
    return { exportId: own.exportId, make }
  })
}
