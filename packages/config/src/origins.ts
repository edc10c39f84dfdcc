import { ConfigError } from './error.ts'
import { splitList } from './text.ts'

/** Reads web origins as browsers write them (RFC 6454). */
export function origins(env: NodeJS.ProcessEnv, name: string): string[] {
  const entries = splitList(env, name)
  for (const entry of entries) {
    if (!/^https?:/.test(entry) || URL.parse(entry)?.origin !== entry)
      throw new ConfigError(
        name,
        `has an entry that is no web origin`,
        'origins such as https://app.example, in lower case, without a path or a slash at the end',
      )
  }
  return entries
}
