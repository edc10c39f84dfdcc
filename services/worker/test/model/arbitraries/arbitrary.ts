import fc from 'fast-check'
import type { Command } from '../command.ts'
import type { World } from '../world.ts'

/** Something that somebody may want, before it is known whom and what there is. */
export interface CommandTemplate {
  name: string
  /** What makes it possible, where it is not yet: a log-in, a job. */
  findPreparation?(world: World): Command | undefined
  /** Undefined where there is nothing to do it to. */
  plan(world: World): Command | undefined
}

export function createTemplate(name: string, plan: CommandTemplate['plan']): CommandTemplate {
  return { name, plan }
}

export const mostlyTrue = fc.integer({ min: 0, max: 9 }).map((n): boolean => n < 8)
export const mostlyFalse = fc.integer({ min: 0, max: 9 }).map((n): boolean => n >= 8)

/** One of a list, counted from its end; mostly one of the good ones, where there are any. */
export interface Selection {
  from: number
  preferred: boolean
}
export const anySelection: fc.Arbitrary<Selection> = fc.record({
  from: fc.nat(7),
  preferred: mostlyTrue,
})

export function select<T>(
  { from, preferred }: Selection,
  list: T[],
  isGood: (item: T) => boolean,
): T | undefined {
  const best = list.filter(isGood)
  const among = preferred && best.length > 0 ? best : list
  return among.at(-1 - (from % Math.max(among.length, 1)))
}

export function toText(wish: unknown): string {
  return JSON.stringify(wish)
}
