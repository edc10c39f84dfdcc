import fc from 'fast-check'
import type { Command } from '../command.ts'
import {
  cancelByPassword,
  cancelByToken,
  type DeletionRequest,
  lookUpStatus,
  requestDeletionOf,
} from '../commands/deletions.ts'
import { openArchiveOf, openVaultOf } from '../commands/export-accounts.ts'
import { acceptedSession } from '../commands/sessions.ts'
import { gracePeriods } from '../durations.ts'
import { deletionOf, latestDeletion, passwordOf, personOf, type World } from '../world.ts'
import {
  anySelection,
  type CommandTemplate,
  createTemplate,
  mostlyFalse,
  mostlyTrue,
  type Selection,
  select,
  toText,
} from './arbitrary.ts'
import { anyAddress, wrongPassword } from './names.ts'
import { heldSessions, withSession } from './sessions.ts'

export const anyDeletionRequest = withSession(
  'delete',
  fc.record({
    whose: fc.oneof(
      { weight: 8, arbitrary: fc.constant('own' as const) },
      { weight: 2, arbitrary: fc.nat(7) },
    ),
    shown: fc.constantFrom(
      ...(['right', 'right', 'right', 'right', 'none', 'none', 'wrong'] as const),
    ),
    eraseNow: mostlyFalse,
    grace: fc.constantFrom(...gracePeriods),
    underWay: mostlyFalse,
  }),
  (world, index, held, { whose, shown, eraseNow, grace, underWay }) => {
    const person = whose === 'own' ? held.person : whose < world.people.length ? whose : undefined
    const right = personOf(world, held.person).password
    const password = { right, wrong: wrongPassword, none: undefined }[shown]
    const details: DeletionRequest = { person, password, eraseNow, grace, underWay }
    return requestDeletionOf(world, index, held, details)
  },
)

/** A request by an administrator with a session, if there is one. */
export const anyRequestByAdministrator = fc
  .tuple(anySelection, anySelection, fc.constantFrom(...gracePeriods))
  .map(([by, whom, grace]) =>
    createTemplate(`administrator deletes ${toText([by, whom, grace.iso])}`, (world) => {
      const sessions = heldSessions(world).filter(
        ([index]) => acceptedSession(world, index)?.who.role === 'administrator',
      )
      const [index, held] = select(by, sessions, () => true) ?? []
      const person = select(whom, [...world.people.keys()], (n) => personOf(world, n).active)
      if (index === undefined || !held || person === undefined) return undefined
      const { password } = personOf(world, held.person)
      const details = { person, password, eraseNow: false, grace, underWay: false }
      return requestDeletionOf(world, index, held, details)
    }),
  )

export const anyCancelByToken = fc
  .tuple(anySelection, fc.integer({ min: 0, max: 29 }))
  .map(([which, n]) =>
    createTemplate(`cancel by token ${toText(which)}${n === 0 ? ' unknown' : ''}`, (world) => {
      if (n === 0) return cancelByToken(world, undefined)
      const outdated = which.preferred ? undefined : selectOutdated(world, which)
      const number = outdated ?? selectDeletion(world, which, 'pending')
      return number === undefined ? undefined : cancelByToken(world, number)
    }),
  )

/** A canceled deletion of a person who has a newer one. */
function selectOutdated(world: World, which: Selection): number | undefined {
  const numbers = [...world.deletions.keys()].filter((number) => {
    const { status, person } = deletionOf(world, number)
    return status === 'cancelled' && latestDeletion(world, person) !== deletionOf(world, number)
  })
  return select(which, numbers, () => true)
}

export const anyCancelByPassword = fc.tuple(anyAddress, mostlyTrue).map(([email, right]) =>
  createTemplate(`cancel by password ${email}${right ? '' : ' wrong'}`, (world) => {
    return cancelByPassword(
      email,
      right ? (passwordOf(world, email) ?? wrongPassword) : wrongPassword,
    )
  }),
)

export const anyStatusLookup = withDeletion('status', fc.constant(undefined), lookUpStatus)
export const anyArchiveOpening = withDeletion('open archive', fc.constant(undefined), openArchiveOf)
export const anyVaultOpening = withDeletion('open vault', mostlyTrue, (world, number, right) => {
  const { password } = personOf(world, world.deletions[number]?.person ?? 0)
  return openVaultOf(world, number, right ? password : wrongPassword)
})

/** A command for a deletion, mostly a pending one. */
export function withDeletion<T>(
  name: string,
  details: fc.Arbitrary<T>,
  plan: (world: World, number: number, details: T) => Command | undefined,
): fc.Arbitrary<CommandTemplate> {
  return fc.tuple(anySelection, details).map(([which, details]) =>
    createTemplate(`${name} ${toText([which, details])}`, (world) => {
      const number = selectDeletion(world, which, 'pending')
      return number === undefined ? undefined : plan(world, number, details)
    }),
  )
}

function selectDeletion(world: World, which: Selection, status: string): number | undefined {
  return select(
    which,
    [...world.deletions.keys()],
    (number) => world.deletions[number]?.status === status,
  )
}
