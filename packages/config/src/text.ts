import { ConfigError, quoted } from './error.ts'

/** Returns the value, or `undefined` if it is absent or empty. */
export function optional(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name] || undefined
}

/** `takes` describes valid values in the error. */
export function required(env: NodeJS.ProcessEnv, name: string, takes: string): string {
  const value = optional(env, name)
  if (value === undefined) throw new ConfigError(name, 'is not set', takes)
  return value
}

export function oneOf<const T extends string>(
  env: NodeJS.ProcessEnv,
  name: string,
  choices: readonly T[],
  fallback: NoInfer<T>,
): T {
  const value = optional(env, name) ?? fallback
  const choice = choices.find((choice) => choice === value)
  if (choice === undefined)
    throw new ConfigError(name, `is ${quoted(value)}`, `one of ${choices.join(', ')}`)
  return choice
}

interface Fault {
  got: string
  takes: string
}

/** Reads a value in which `faultOf` finds no fault. The error shows the fault, but not the value. */
export function validated(
  env: NodeJS.ProcessEnv,
  name: string,
  faultOf: (value: string) => Fault | undefined,
): string | undefined {
  const value = optional(env, name)
  const fault = value === undefined ? undefined : faultOf(value)
  if (fault) throw new ConfigError(name, fault.got, fault.takes)
  return value
}

/** Splits a value at commas and spaces, and drops empty parts. */
export function splitList(env: NodeJS.ProcessEnv, name: string): string[] {
  return (optional(env, name) ?? '').split(/[\s,]+/).filter((part) => part !== '')
}
