import { share } from './share.ts'
import { wholeNumber } from './whole-number.ts'

// The circuit breaker's limits. Low, so that a small installation has a breaker too: to release what is held costs an operator
// a minute, and an erasure that was a mistake cannot be taken back.

export function eraseAtOnceFloor(env: NodeJS.ProcessEnv): number {
  return wholeNumber(env, 'ERASE_AT_ONCE_FLOOR', 20)
}

/** Of all users, from 0 to 1. */
export function eraseAtOnceShare(env: NodeJS.ProcessEnv): number {
  return share(env, 'ERASE_AT_ONCE_SHARE', 0.01)
}
