import fc from 'fast-check'
import type { Command } from '../command.ts'
import { logIn } from '../commands/people.ts'
import {
  acceptedSession,
  choosePassword,
  type HeldSession,
  readSession,
  refreshWith,
  saveSecret,
  uploadAvatar,
} from '../commands/sessions.ts'
import { personOf, type World } from '../world.ts'
import {
  anySelection,
  type CommandTemplate,
  mostlyFalse,
  mostlyTrue,
  select,
  toText,
} from './arbitrary.ts'
import { anyPassword, wrongPassword } from './names.ts'

export const anySessionRead = withSession('ask', fc.constant(undefined), (_world, index, held) =>
  readSession(index, held),
)

export const anyRefresh = withSession(
  'refresh',
  fc.boolean(),
  (_world, index, logIn, used) => {
    const newest = logIn.held.tokens.length - 1
    return refreshWith(index, logIn, used ? Math.max(newest - 1, 0) : newest)
  },
  'refresh',
)

export const anyPasswordSave = withSession(
  'save',
  fc.tuple(fc.nat(99), mostlyFalse),
  (_world, index, held, wish) => {
    const [n, underWay] = wish
    return saveSecret(index, held, `secret-${n}`, underWay)
  },
)

export const anyUpload = withSession('upload', fc.nat(99), (_world, index, held, bytes) =>
  uploadAvatar(index, held, bytes),
)

export const anyPasswordChange = withSession(
  'choose',
  fc.tuple(anyPassword, mostlyTrue),
  (world, index, held, wish) => {
    const [next, right] = wish
    const current = personOf(world, held.person).password
    return choosePassword(index, held, right ? current : wrongPassword, next)
  },
)

/** With a log-in that somebody has; mostly one that is not over, and if there is none they log in first. */
export function withSession<T>(
  name: string,
  wish: fc.Arbitrary<T>,
  plan: (world: World, index: number, held: HeldSession, wish: T) => Command,
  ofKind?: HeldSession['kind'],
): fc.Arbitrary<CommandTemplate> {
  const fits = ([, { kind }]: [number, HeldSession]) => !ofKind || kind === ofKind
  return fc.tuple(anySelection, wish).map(([which, wish]) => ({
    name: `${name} ${toText([which, wish])}`,
    findPreparation: (world) =>
      which.preferred ? findLogInNeeded(world, ofKind ?? 'cookie') : undefined,
    plan(world) {
      const logIns = heldSessions(world).filter(fits)
      const logIn = select(which, logIns, ([index]) => !!acceptedSession(world, index))
      return logIn && plan(world, ...logIn, wish)
    },
  }))
}

/** Where nobody is logged in; and whoever stayed after a deletion, since they may ask for another. */
function findLogInNeeded(world: World, kind: HeldSession['kind']): Command | undefined {
  const isIn = heldSessions(world).filter(([index]) => acceptedSession(world, index))
  const stayed = world.people.find(
    ({ active }, index) =>
      active &&
      world.deletions.some(({ person }) => person === index) &&
      !isIn.some(([, { person }]) => person === index),
  )
  const somebody = stayed ?? world.people.find(({ active }) => active)
  const isEnough = !stayed && isIn.some(([, logIn]) => logIn.kind === kind)
  return isEnough || !somebody ? undefined : logIn(somebody.email, somebody.password, kind)
}

export function heldSessions(world: World): [number, HeldSession][] {
  return world.sessions.flatMap((logIn, index): [number, HeldSession][] =>
    logIn.held ? [[index, { ...logIn, held: logIn.held }]] : [],
  )
}
