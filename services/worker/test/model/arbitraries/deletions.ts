import fc from 'fast-check'
import type { Deed } from '../command.ts'
import {
  cancelByPassword,
  cancelByToken,
  report,
  request,
  type Wish,
} from '../commands/deletions.ts'
import { openArchiveOf, openVaultOf } from '../commands/export-accounts.ts'
import { acceptedLogIn } from '../commands/sessions.ts'
import { graces } from '../durations.ts'
import { deletionOf, latestDeletion, passwordOf, personOf, type World } from '../world.ts'
import { type Intent, intent, often, type Pick, pick, picked, seldom, words } from './arbitrary.ts'
import { anyAddress, wrong } from './names.ts'
import { heldLogIns, withLogIn } from './sessions.ts'

export const deleting = withLogIn(
  'delete',
  fc.record({
    whose: fc.oneof(
      { weight: 8, arbitrary: fc.constant('own' as const) },
      { weight: 2, arbitrary: fc.nat(7) },
    ),
    shown: fc.constantFrom(
      ...(['right', 'right', 'right', 'right', 'none', 'none', 'wrong'] as const),
    ),
    eraseNow: seldom,
    grace: fc.constantFrom(...graces),
    underWay: seldom,
  }),
  (world, index, held, { whose, shown, eraseNow, grace, underWay }) => {
    const person = whose === 'own' ? held.person : whose < world.people.length ? whose : undefined
    const right = personOf(world, held.person).password
    const password = { right, wrong, none: undefined }[shown]
    const wish: Wish = { person, password, eraseNow, grace, underWay }
    return request(world, index, held, wish)
  },
)

/** By whoever is an administrator and logged in, if anybody is. */
export const deletingByAdministrator = fc
  .tuple(pick, pick, fc.constantFrom(...graces))
  .map(([by, whom, grace]) =>
    intent(`administrator deletes ${words([by, whom, grace.iso])}`, (world) => {
      const logIns = heldLogIns(world).filter(
        ([index]) => acceptedLogIn(world, index)?.who.role === 'administrator',
      )
      const [index, held] = picked(by, logIns, () => true) ?? []
      const person = picked(whom, [...world.people.keys()], (n) => personOf(world, n).active)
      if (index === undefined || !held || person === undefined) return undefined
      const { password } = personOf(world, held.person)
      const wish = { person, password, eraseNow: false, grace, underWay: false }
      return request(world, index, held, wish)
    }),
  )

export const cancellingByToken = fc.tuple(pick, fc.integer({ min: 0, max: 29 })).map(([which, n]) =>
  intent(`cancel by token ${words(which)}${n === 0 ? ' unknown' : ''}`, (world) => {
    if (n === 0) return cancelByToken(world, undefined)
    const outdated = which.good ? undefined : pickedOutdated(world, which)
    const number = outdated ?? pickedDeletion(world, which, 'pending')
    return number === undefined ? undefined : cancelByToken(world, number)
  }),
)

/** One that is over, of somebody who has another one by now. */
function pickedOutdated(world: World, which: Pick): number | undefined {
  const numbers = [...world.deletions.keys()].filter((number) => {
    const { status, person } = deletionOf(world, number)
    return status === 'cancelled' && latestDeletion(world, person) !== deletionOf(world, number)
  })
  return picked(which, numbers, () => true)
}

export const cancellingByPassword = fc.tuple(anyAddress, often).map(([email, right]) =>
  intent(`cancel by password ${email}${right ? '' : ' wrong'}`, (world) => {
    return cancelByPassword(email, right ? (passwordOf(world, email) ?? wrong) : wrong)
  }),
)

export const lookingUp = withDeletion('status', fc.constant(undefined), report)
export const opening = withDeletion('open archive', fc.constant(undefined), openArchiveOf)
export const openingVault = withDeletion('open vault', often, (world, number, right) => {
  const { password } = personOf(world, world.deletions[number]?.person ?? 0)
  return openVaultOf(world, number, right ? password : wrong)
})

/** With a deletion; mostly one that is pending. */
export function withDeletion<T>(
  name: string,
  wish: fc.Arbitrary<T>,
  plan: (world: World, number: number, wish: T) => Deed | undefined,
): fc.Arbitrary<Intent> {
  return fc.tuple(pick, wish).map(([which, wish]) =>
    intent(`${name} ${words([which, wish])}`, (world) => {
      const number = pickedDeletion(world, which, 'pending')
      return number === undefined ? undefined : plan(world, number, wish)
    }),
  )
}

function pickedDeletion(world: World, which: Pick, status: string): number | undefined {
  return picked(
    which,
    [...world.deletions.keys()],
    (number) => world.deletions[number]?.status === status,
  )
}
