import path from 'node:path'
import { ConfigError } from './error.ts'
import { optional } from './text.ts'

const takes =
  'a folder, or s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION, where all but the bucket may be left out'

/**
 * Reads EXPORT_DIR: the absolute path of a folder, or the URL of a bucket as it was written. The API and the worker
 * use the same reader. The error does not show the value, which may contain a password.
 */
export function exportDir(env: NodeJS.ProcessEnv, fallback = '.data/exports'): string {
  const value = optional(env, 'EXPORT_DIR') ?? fallback
  if (!/^(s3:|[a-z][a-z0-9+.-]*:\/\/)/i.test(value)) return path.resolve(value)
  const fault = faultOf(value)
  if (fault) throw new ConfigError('EXPORT_DIR', fault, takes)
  return value
}

function faultOf(value: string): string | undefined {
  const url = value.startsWith('s3://') ? URL.parse(value) : null
  if (!url) return 'is neither a folder nor the URL of a bucket'
  const { username, password, port, hash, hostname, pathname, searchParams } = url
  if (username || password) return 'has a user or a password, which belong into the environment'
  // Amazon's rules for bucket names. Other servers accept no more than these.
  if (port || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(hostname)) return 'names no bucket'
  // Compared with the value as written, because URL parsing resolves `..`.
  const isPlain = /^\/?([\w-][\w.-]*(\/|$))*$/.test(pathname)
  if (!isPlain || !value.startsWith(`s3://${hostname}${pathname}`))
    return 'has a prefix of more than letters, digits and - _ . between slashes'
  const [endpoint, ...endpoints] = searchParams.getAll('endpoint')
  const [region, ...regions] = searchParams.getAll('region')
  const others = [...searchParams.keys()].filter((key) => key !== 'endpoint' && key !== 'region')
  if (hash || others.length + endpoints.length + regions.length > 0)
    return 'asks for something else than one endpoint and one region'
  if (endpoint !== undefined && !isEndpoint(endpoint)) return 'has no endpoint of http: or https:'
  if (region !== undefined && !/^[a-z0-9-]+$/.test(region)) return 'has no region'
  return undefined
}

function isEndpoint(value: string): boolean {
  const url = /^https?:\/\/\S+$/.test(value) ? URL.parse(value) : null
  return url !== null && !url.username && !url.password && !url.search && !url.hash
}
