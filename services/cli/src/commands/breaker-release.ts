import { beginRelease, describeKind, findOpenTrips, releaseBatch } from '@lethe/lifecycle'
import type { Command } from '../command.ts'

const kinds: Record<string, boolean> = { established: false, new: true }

export const releaseBreaker: Command = async ([number = '', kind], { db, print }) => {
  if (!/^\d{1,15}$/.test(number) || (kind !== undefined && !Object.hasOwn(kinds, kind))) {
    print(
      'How many? Give the number that `breaker` shows as held: breaker release NUMBER [established|new]',
    )
    return 2
  }
  const open = await findOpenTrips(db)
  const [anyTrip] = open
  if (!anyTrip) {
    print('The breaker is closed: nothing is held.')
    return 0
  }
  const trips = open.filter(({ newAccounts }) => kind === undefined || newAccounts === kinds[kind])
  const [trip] = trips
  if (!trip) {
    print(
      `Nothing was released: the breaker holds only ${describeKind(anyTrip)}. Run \`breaker\` again.`,
    )
    return 1
  }
  if (trips.length > 1) {
    print(
      'The breaker holds established and new accounts separately. Say which: breaker release NUMBER established, or breaker release NUMBER new',
    )
    return 2
  }
  const release = await beginRelease(db, trip.id, Number(number))
  if (release && !release.begun) {
    print(
      trip.released === null
        ? `${release.held} are held, not ${number}: nothing was released. Run \`breaker\` again.`
        : `A release of ${release.held} is under way, not of ${number}. Give ${release.held} to continue it.`,
    )
    return 1
  }
  while (await releaseBatch(db));
  print(
    `Released ${number} erasures of ${describeKind(trip)}: the worker continues with them. Deletions that became due since are counted separately.`,
  )
  return 0
}
