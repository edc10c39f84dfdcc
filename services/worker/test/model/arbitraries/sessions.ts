import fc from 'fast-check'
import type { Deed } from '../command.ts'
import { logIn } from '../commands/people.ts'
import {
  acceptedLogIn,
  ask,
  choosePassword,
  type HeldLogIn,
  refreshWith,
  save,
  upload,
} from '../commands/sessions.ts'
import { personOf, type World } from '../world.ts'
import { type Intent, often, pick, picked, seldom, words } from './arbitrary.ts'
import { anyPassword, wrong } from './names.ts'

export const asking = withLogIn('ask', fc.constant(undefined), (_world, index, held) =>
  ask(index, held),
)

export const refreshing = withLogIn(
  'refresh',
  fc.boolean(),
  (_world, index, logIn, used) => {
    const newest = logIn.held.tokens.length - 1
    return refreshWith(index, logIn, used ? Math.max(newest - 1, 0) : newest)
  },
  'refresh',
)

export const saving = withLogIn(
  'save',
  fc.tuple(fc.nat(99), seldom),
  (_world, index, held, wish) => {
    const [n, underWay] = wish
    return save(index, held, `secret-${n}`, underWay)
  },
)

export const uploading = withLogIn('upload', fc.nat(99), (_world, index, held, bytes) =>
  upload(index, held, bytes),
)

export const choosing = withLogIn(
  'choose',
  fc.tuple(anyPassword, often),
  (world, index, held, wish) => {
    const [next, right] = wish
    const current = personOf(world, held.person).password
    return choosePassword(index, held, right ? current : wrong, next)
  },
)

/** With a log-in that somebody has; mostly one that is not over, and if there is none they log in first. */
export function withLogIn<T>(
  name: string,
  wish: fc.Arbitrary<T>,
  plan: (world: World, index: number, held: HeldLogIn, wish: T) => Deed,
  ofKind?: HeldLogIn['kind'],
): fc.Arbitrary<Intent> {
  const fits = ([, { kind }]: [number, HeldLogIn]) => !ofKind || kind === ofKind
  return fc.tuple(pick, wish).map(([which, wish]) => ({
    name: `${name} ${words([which, wish])}`,
    before: (world) => (which.good ? loggingInAnybody(world, ofKind ?? 'cookie') : undefined),
    plan(world) {
      const logIns = heldLogIns(world).filter(fits)
      const logIn = picked(which, logIns, ([index]) => !!acceptedLogIn(world, index))
      return logIn && plan(world, ...logIn, wish)
    },
  }))
}

/** Where nobody is logged in; and whoever stayed after a deletion, since they may ask for another. */
function loggingInAnybody(world: World, kind: HeldLogIn['kind']): Deed | undefined {
  const isIn = heldLogIns(world).filter(([index]) => acceptedLogIn(world, index))
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

export function heldLogIns(world: World): [number, HeldLogIn][] {
  return world.sessions.flatMap((logIn, index): [number, HeldLogIn][] =>
    logIn.held ? [[index, { ...logIn, held: logIn.held }]] : [],
  )
}
