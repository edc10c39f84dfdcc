import { ConfigError } from './error.ts'
import { port } from './port.ts'
import { url } from './url.ts'

/**
 * Reads PUBLIC_URL: the origin under which people reach the API, and the base of every link in a mail. The API and
 * the worker use the same reader. It has no path, because the pages behind the links load their assets from the root.
 */
export function publicUrl(env: NodeJS.ProcessEnv): string {
  const value = url(env, 'PUBLIC_URL', ['http:', 'https:'])
  if (value === undefined) return `http://localhost:${port(env, 'PORT', 3000)}`
  const { username, password, search, hash, pathname, origin } = new URL(value)
  if (username || password || search || hash || pathname !== '/')
    throw new ConfigError(
      'PUBLIC_URL',
      'has more than an origin',
      'an origin such as https://lethe.example, without a path',
    )
  return origin
}
