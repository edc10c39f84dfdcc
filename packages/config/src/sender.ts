import addressparser from 'nodemailer/lib/addressparser'
import { ConfigError } from './error.ts'
import { optional } from './text.ts'

export interface Sender {
  name: string
  address: string
}

/** Reads one address, with or without a name. The error does not show a wrong value. */
export function sender(env: NodeJS.ProcessEnv, name: string, fallback: string): Sender {
  const value = optional(env, name) ?? fallback
  const [first, ...others] = addressparser(value, { flatten: true })
  if (/\p{Cc}/u.test(value) || !first || others.length > 0 || !/^\S+@\S+$/.test(first.address))
    throw new ConfigError(name, 'is not one address', 'one address, such as Lethe <mail@a.example>')
  return { name: first.name, address: first.address }
}
