import fc from 'fast-check'
import type { Command } from '../command.ts'
import type { World } from '../world.ts'

/** A command whose subject is chosen only when it runs, from the current state of the model. */
export interface CommandTemplate {
  name: string
  /** A command that must run first, such as a log-in or a dispatch. */
  findPreparation?(world: World): Command | undefined
  /** Undefined if the model has no subject for the command. */
  plan(world: World): Command | undefined
}

export function createTemplate(name: string, plan: CommandTemplate['plan']): CommandTemplate {
  return { name, plan }
}

export const mostlyTrue = fc.integer({ min: 0, max: 9 }).map((n): boolean => n < 8)
export const mostlyFalse = fc.integer({ min: 0, max: 9 }).map((n): boolean => n >= 8)

/** Selects an element of a list, counted from its end; mostly one of the preferred elements, if there are any. */
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

export function toText(details: unknown): string {
  return JSON.stringify(details)
}
