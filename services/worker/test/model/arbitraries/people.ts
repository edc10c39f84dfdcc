import fc from 'fast-check'
import { changeRole, logIn, signUp } from '../commands/people.ts'
import { findAccount, passwordOf } from '../world.ts'
import { anySelection, createTemplate, mostlyTrue, select, toText } from './arbitrary.ts'
import { addresses, anyAddress, anyPassword, wrongPassword } from './names.ts'

const anySessionKind = fc.constantFrom('cookie' as const, 'refresh' as const)

export const anySignUp = fc
  .tuple(anyAddress, anyPassword, mostlyTrue)
  .map(([email, secret, prefersFree]) =>
    createTemplate(`sign up ${email}${prefersFree ? ' or a free address' : ''}`, (world) => {
      const freeAddress = addresses.find((other) => findAccount(world, other) === undefined)
      return signUp((prefersFree && freeAddress) || email, secret)
    }),
  )

export const anyLogIn = fc
  .tuple(anyAddress, anySessionKind, mostlyTrue)
  .map(([email, kind, right]) =>
    createTemplate(`log in ${email} ${kind}${right ? '' : ' wrong'}`, (world) => {
      return logIn(email, right ? (passwordOf(world, email) ?? wrongPassword) : wrongPassword, kind)
    }),
  )

export const anyRoleChange = fc
  .tuple(anyAddress, mostlyTrue)
  .map(([email, isPromotion]) =>
    createTemplate(`${isPromotion ? 'promote' : 'demote'} ${email}`, () =>
      changeRole(email, isPromotion ? 'administrator' : 'member'),
    ),
  )

/** An administrator becomes a member again. */
export const anyDemotion = anySelection.map((which) =>
  createTemplate(`demote ${toText(which)}`, ({ people }) => {
    const active = people.filter(({ role, active }) => active && role === 'administrator')
    const who = select(which, active, () => true)
    return who && changeRole(who.email, 'member')
  }),
)
