import { ConfigError, quoted } from './error.ts'

/** The value, or `undefined` where there is none: an empty one counts as none everywhere. */
export function optional(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name] || undefined
}

/** `takes` tells the operator what to set. */
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

/** A value in which `faultOf` finds nothing wrong; its words are shown, the value itself is not. */
export function faultless(
  env: NodeJS.ProcessEnv,
  name: string,
  faultOf: (value: string) => Fault | undefined,
): string | undefined {
  const value = optional(env, name)
  const fault = value === undefined ? undefined : faultOf(value)
  if (fault) throw new ConfigError(name, fault.got, fault.takes)
  return value
}

/** Parts between commas or spaces, without empty ones. */
export function list(env: NodeJS.ProcessEnv, name: string): string[] {
  return (optional(env, name) ?? '').split(/[\s,]+/).filter((part) => part !== '')
}
