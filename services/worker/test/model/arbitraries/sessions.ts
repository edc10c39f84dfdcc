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

export const anySessionRead = withSession(
  'read session',
  fc.constant(undefined),
  (_world, index, held) => readSession(index, held),
)

export const anyRefresh = withSession(
  'refresh',
  fc.boolean(),
  (_world, index, session, used) => {
    const newest = session.held.tokens.length - 1
    return refreshWith(index, session, used ? Math.max(newest - 1, 0) : newest)
  },
  'refresh',
)

export const anyPasswordSave = withSession(
  'save password',
  fc.tuple(fc.nat(99), mostlyFalse),
  (_world, index, held, details) => {
    const [n, underWay] = details
    return saveSecret(index, held, `secret-${n}`, underWay)
  },
)

export const anyUpload = withSession('upload avatar', fc.nat(99), (_world, index, held, bytes) =>
  uploadAvatar(index, held, bytes),
)

export const anyPasswordChange = withSession(
  'change password',
  fc.tuple(anyPassword, mostlyTrue),
  (world, index, held, details) => {
    const [next, right] = details
    const current = personOf(world, held.person).password
    return choosePassword(index, held, right ? current : wrongPassword, next)
  },
)

/** A command with a session, mostly one that is accepted. If there is none, an account logs in first. */
export function withSession<T>(
  name: string,
  details: fc.Arbitrary<T>,
  plan: (world: World, index: number, held: HeldSession, details: T) => Command,
  ofKind?: HeldSession['kind'],
): fc.Arbitrary<CommandTemplate> {
  const fits = ([, { kind }]: [number, HeldSession]) => !ofKind || kind === ofKind
  return fc.tuple(anySelection, details).map(([which, details]) => ({
    name: `${name} ${toText([which, details])}`,
    findPreparation: (world) =>
      which.preferred ? findLogInNeeded(world, ofKind ?? 'cookie') : undefined,
    plan(world) {
      const sessions = heldSessions(world).filter(fits)
      const session = select(which, sessions, ([index]) => !!acceptedSession(world, index))
      return session && plan(world, ...session, details)
    },
  }))
}

/** A log-in, if no session is accepted, or for an account whose deletion was canceled: it may request another one. */
function findLogInNeeded(world: World, kind: HeldSession['kind']): Command | undefined {
  const accepted = heldSessions(world).filter(([index]) => acceptedSession(world, index))
  const stayed = world.people.find(
    ({ active }, index) =>
      active &&
      world.deletions.some(({ person }) => person === index) &&
      !accepted.some(([, { person }]) => person === index),
  )
  const account = stayed ?? world.people.find(({ active }) => active)
  const isEnough = !stayed && accepted.some(([, session]) => session.kind === kind)
  return isEnough || !account ? undefined : logIn(account.email, account.password, kind)
}

export function heldSessions(world: World): [number, HeldSession][] {
  return world.sessions.flatMap((session, index): [number, HeldSession][] =>
    session.held ? [[index, { ...session, held: session.held }]] : [],
  )
}
