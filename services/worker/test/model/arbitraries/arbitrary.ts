import fc from 'fast-check'
import type { Deed } from '../command.ts'
import type { World } from '../world.ts'

/** Something that somebody may want, before it is known whom and what there is. */
export interface Intent {
  name: string
  /** What makes it possible, where it is not yet: a log-in, a job. */
  before?(world: World): Deed | undefined
  /** Undefined where there is nothing to do it to. */
  plan(world: World): Deed | undefined
}

export function intent(name: string, plan: Intent['plan']): Intent {
  return { name, plan }
}

export const often = fc.integer({ min: 0, max: 9 }).map((n): boolean => n < 8)
export const seldom = fc.integer({ min: 0, max: 9 }).map((n): boolean => n >= 8)

/** One of a list, counted from its end; mostly one of the good ones, where there are any. */
export interface Pick {
  from: number
  good: boolean
}
export const pick = fc.record<Pick>({ from: fc.nat(7), good: often })

export function picked<T>(
  { from, good }: Pick,
  list: T[],
  isGood: (item: T) => boolean,
): T | undefined {
  const best = list.filter(isGood)
  const among = good && best.length > 0 ? best : list
  return among.at(-1 - (from % Math.max(among.length, 1)))
}

export function words(wish: unknown): string {
  return JSON.stringify(wish)
}
