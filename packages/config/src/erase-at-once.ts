import { share } from './share.ts'
import { wholeNumber } from './whole-number.ts'

// The limits of the circuit breaker. They are low, so that a small installation is protected too: a release costs an
// operator a minute, and a mistaken erasure cannot be undone.

export function eraseAtOnceFloor(env: NodeJS.ProcessEnv): number {
  return wholeNumber(env, 'ERASE_AT_ONCE_FLOOR', 20)
}

/** A share of all users, from 0 to 1. */
export function eraseAtOnceShare(env: NodeJS.ProcessEnv): number {
  return share(env, 'ERASE_AT_ONCE_SHARE', 0.01)
}
