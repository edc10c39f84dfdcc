import addressparser from 'nodemailer/lib/addressparser'
import { ConfigError } from './error.ts'
import { optional } from './text.ts'

export interface Sender {
  name: string
  address: string
}

/** One address, with a name or without; it is not shown where it is wrong. */
export function sender(env: NodeJS.ProcessEnv, name: string, fallback: string): Sender {
  const value = optional(env, name) ?? fallback
  const [first, ...others] = addressparser(value, { flatten: true })
  if (/\p{Cc}/u.test(value) || !first || others.length > 0 || !/^\S+@\S+$/.test(first.address))
    throw new ConfigError(name, 'is not one address', 'one address, such as Lethe <mail@a.example>')
  return { name: first.name, address: first.address }
}
