/** Where Redis is: a single server, a master that Sentinels watch, or a cluster. */
export interface RedisAddress {
  form: 'server' | 'sentinel' | 'cluster'
  tls: boolean
  /** The server, the Sentinels, or some nodes of the cluster. */
  hosts: { host: string; port: number }[]
  username?: string | undefined
  password?: string | undefined
  db: number
  /** The name that the Sentinels use for the master, and their own credentials. */
  master?: string | undefined
  sentinelUsername?: string | undefined
  sentinelPassword?: string | undefined
}

interface Fault {
  got: string
  takes: string
}

const takes =
  'redis://user:password@host:port/database, redis+sentinel://host:port,host:port/master or redis+cluster://host:port,host:port, each with rediss for TLS'

/** Returns what is wrong with a Redis URL. The text contains no part of the URL but its protocol. */
export function findRedisUrlFault(url: string): Fault | undefined {
  try {
    parseRedisUrl(url)
    return undefined
  } catch (error) {
    if (error instanceof InvalidRedisUrlError) return { got: error.message, takes }
    throw error
  }
}

// Splits a URL that may have several hosts, because the standard parser allows no commas between ports.
const urlParts =
  /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#\s]*)@)?([^/?#@\s]*)(?:\/([^?#\s]*))?(?:\?([^#\s]*))?$/i
const schemes = /^(redis)(s?)(?:[+-](sentinel|cluster))?$/

/** Throws `InvalidRedisUrlError`, whose message contains no secret. */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme = '', user, hosts = '', path = '', query = ''] = urlParts.exec(url) ?? []
  if (scheme === '') throw new InvalidRedisUrlError('is not a URL')
  const known = schemes.exec(scheme.toLowerCase())
  if (!known) throw new InvalidRedisUrlError(`begins with ${JSON.stringify(`${scheme}:`)}`)
  const form = (known[3] ?? 'server') as RedisAddress['form']
  const port = form === 'sentinel' ? 26_379 : 6_379
  const address = {
    form,
    tls: known[2] === 's',
    ...parseUser(user),
    hosts: hosts.split(',').map((host) => parseHost(host, port)),
    ...parsePath(form, path),
    ...parseQuery(form, query),
  }
  if (form === 'server' && address.hosts.length > 1)
    throw new InvalidRedisUrlError('names more than one server')
  return address
}

function parseUser(text: string | undefined) {
  if (text === undefined) return {}
  const [username = '', ...password] = text.split(':')
  try {
    return {
      username: decodeURIComponent(username) || undefined,
      password: decodeURIComponent(password.join(':')),
    }
  } catch {
    throw new InvalidRedisUrlError('has a user or a password that is not percent-encoded')
  }
}

function parseHost(text: string, port: number) {
  const url = URL.parse(`redis://${text}`)
  if (!url?.hostname) throw new InvalidRedisUrlError('has a host or a port that cannot be')
  // The brackets belong to the URL, not to the IPv6 address.
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || port) }
}

function parsePath(form: RedisAddress['form'], path: string) {
  if (form === 'cluster') {
    if (path !== '') throw new InvalidRedisUrlError('has a path, and a cluster has none')
    return { db: 0 }
  }
  const [, master, db] =
    (form === 'sentinel' ? /^([\w.-]+)(?:\/(\d*))?$/ : /^()(\d*)$/).exec(path) ?? []
  if (master === undefined)
    throw new InvalidRedisUrlError(
      form === 'sentinel'
        ? 'has no path that names a master'
        : 'has a path that is not the number of a database',
    )
  return { db: Number(db ?? 0), ...(master && { master }) }
}

function parseQuery(form: RedisAddress['form'], query: string) {
  const {
    sentinel_username: sentinelUsername,
    sentinel_password: sentinelPassword,
    ...others
  } = Object.fromEntries(new URLSearchParams(query))
  const known = form === 'sentinel' || (!sentinelUsername && !sentinelPassword)
  if (!known || Object.keys(others).length > 0)
    throw new InvalidRedisUrlError('has options that are not known')
  return { sentinelUsername, sentinelPassword }
}

/** A Redis URL that cannot be used. */
class InvalidRedisUrlError extends Error {
  override name = 'InvalidRedisUrlError'
}
