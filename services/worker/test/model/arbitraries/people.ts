import fc from 'fast-check'
import { logIn, promote, signUp } from '../commands/people.ts'
import { holderOf, passwordOf } from '../world.ts'
import { intent, often, pick, picked, words } from './arbitrary.ts'
import { addresses, anyAddress, anyPassword, wrong } from './names.ts'

const kind = fc.constantFrom('cookie' as const, 'refresh' as const)

export const signingUp = fc.tuple(anyAddress, anyPassword, often).map(([email, secret, anew]) =>
  intent(`sign up ${email}${anew ? ' or whoever is gone' : ''}`, (world) => {
    const gone = addresses.find((other) => holderOf(world, other) === undefined)
    return signUp((anew && gone) || email, secret)
  }),
)

export const loggingIn = fc.tuple(anyAddress, kind, often).map(([email, kind, right]) =>
  intent(`log in ${email} ${kind}${right ? '' : ' wrong'}`, (world) => {
    return logIn(email, right ? (passwordOf(world, email) ?? wrong) : wrong, kind)
  }),
)

export const promoting = fc
  .tuple(anyAddress, often)
  .map(([email, up]) =>
    intent(`promote ${email} ${up}`, () => promote(email, up ? 'administrator' : 'member')),
  )

/** An administrator becomes a member again. */
export const demoting = pick.map((which) =>
  intent(`demote ${words(which)}`, ({ people }) => {
    const active = people.filter(({ role, active }) => active && role === 'administrator')
    const who = picked(which, active, () => true)
    return who && promote(who.email, 'member')
  }),
)
