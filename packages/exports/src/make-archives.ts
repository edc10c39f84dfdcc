import type { Readers } from '@lethe/db'
import { type ArchiveOptions, type MadeArchive, storeArchive } from './make-archive.ts'
import { readPeople } from './read-people.ts'
import { personReader } from './read-person.ts'
import type { Storage } from './storage/storage.ts'

/** What several have in common. */
type Shared = Pick<ArchiveOptions, 'lease' | 'plan' | 'uploadDir' | 'signal'>
type Own = Omit<ArchiveOptions, keyof Shared>

/** What became of one of them. */
export type Outcome = { exportId: string } & (
  | { made: MadeArchive }
  | { error: unknown }
  /** So much that it is to be made alone. */
  | { hasMuch: true }
)

/** While some of them wait for the disk, others are written. */
const AT_ONCE = 4

/**
 * Archives of several people, of one snapshot, each as `makeArchive` makes it. Each is made, or fails, for itself. One alone
 * is made however much it is.
 */
export async function makeArchives(
  readers: Readers,
  storage: Storage,
  shared: Shared,
  people: readonly Own[],
): Promise<Outcome[]> {
  const { plan, signal } = shared
  const userIds = people.map(({ userId }) => userId)
  const readPerson =
    userIds.length > 1
      ? await readPeople(readers, plan, userIds, signal)
      : userIds.map((userId) => personReader(readers, plan, userId, signal))
  const make = async (own: Own, place: number): Promise<Outcome> => {
    const { exportId } = own
    const read = readPerson[place]
    if (!read) return { exportId, hasMuch: true }
    try {
      return { exportId, made: await storeArchive(storage, read, { ...shared, ...own }) }
    } catch (error) {
      return { exportId, error }
    }
  }
  const outcomes: Outcome[] = []
  const waiting = people.entries()
  const makeOneByOne = async () => {
    for (const [place, own] of waiting) outcomes.push(await make(own, place))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, makeOneByOne))
  return outcomes
}
