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
  const [other] = open
  if (!other) {
    print('The breaker is closed: nothing is held.')
    return 0
  }
  const trips = open.filter(({ newAccounts }) => kind === undefined || newAccounts === kinds[kind])
  const [trip] = trips
  if (!trip) {
    print(
      `Nothing was released: the breaker holds only ${describeKind(other)}. Look once more with \`breaker\`.`,
    )
    return 1
  }
  if (trips.length > 1) {
    print(
      'Established and new accounts are held apart. Say which: breaker release NUMBER established, or breaker release NUMBER new',
    )
    return 2
  }
  const release = await beginRelease(db, trip.id, Number(number))
  if (release && !release.begun) {
    print(
      trip.released === null
        ? `${release.held} are held, not ${number}: nothing was released. Look once more with \`breaker\`.`
        : `A release of ${release.held} is under way, not of ${number}: give that number to go on with it.`,
    )
    return 1
  }
  while (await releaseBatch(db));
  print(
    `Released ${number} erasures of ${describeKind(trip)}: the worker goes on. What has come due since is counted anew.`,
  )
  return 0
}
