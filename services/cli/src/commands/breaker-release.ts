import { releaseHeld } from '@lethe/accounts'
import type { Command } from '../command.ts'

export const releaseBreaker: Command = async ([number = ''], { db, print }) => {
  if (!/^\d{1,15}$/.test(number)) {
    print('How many? Give the number that `breaker` shows as held: breaker release NUMBER')
    return 2
  }
  const held = await releaseHeld(db, Number(number))
  if (held === undefined) {
    print('The breaker is closed: nothing is held.')
    return 0
  }
  if (held !== Number(number)) {
    print(`${held} are held, not ${number}: nothing was released. Look once more with \`breaker\`.`)
    return 1
  }
  print(`Released ${held}: the worker goes on. Whoever has come due since is counted anew.`)
  return 0
}
