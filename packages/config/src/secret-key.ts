import { ConfigError } from './error.ts'
import { required } from './text.ts'

const takes = 'at least 32 random bytes as base64url, for example 43 letters and digits'

/** Reads the key from which all other keys are derived. */
export function secretKey(env: NodeJS.ProcessEnv, name: string): Buffer {
  const value = required(env, name, takes)
  const key = Buffer.from(value, 'base64url')
  if (!/^[\w-]+={0,2}$/.test(value)) throw new ConfigError(name, 'is not base64url', takes)
  if (key.length < 32) throw new ConfigError(name, `has ${key.length} bytes`, takes)
  return key
}
