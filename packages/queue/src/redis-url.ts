/** Where a Redis is: one server, a master that Sentinels know, or a cluster. */
export interface RedisAddress {
  form: 'server' | 'sentinel' | 'cluster'
  tls: boolean
  /** The server, the Sentinels, or nodes of the cluster to begin with. */
  hosts: { host: string; port: number }[]
  username?: string | undefined
  password?: string | undefined
  db: number
  /** What the Sentinels call the master, and what they ask for themselves. */
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

/** What is wrong with the URL of a Redis, in words that hold no part of it but its protocol. */
export function redisUrlFault(url: string): Fault | undefined {
  try {
    parseRedisUrl(url)
    return undefined
  } catch (error) {
    if (error instanceof WrongRedisUrl) return { got: error.message, takes }
    throw error
  }
}

// The parts of a URL, except that there may be more hosts than one. The standard's parser takes no commas between ports.
const parts =
  /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#\s]*)@)?([^/?#@\s]*)(?:\/([^?#\s]*))?(?:\?([^#\s]*))?$/i
const schemes = /^(redis)(s?)(?:[+-](sentinel|cluster))?$/

/** Throws `WrongRedisUrl`, which says nothing secret. */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme = '', user, hosts = '', path = '', query = ''] = parts.exec(url) ?? []
  if (scheme === '') throw new WrongRedisUrl('is not a URL')
  const known = schemes.exec(scheme.toLowerCase())
  if (!known) throw new WrongRedisUrl(`begins with ${JSON.stringify(`${scheme}:`)}`)
  const form = (known[3] ?? 'server') as RedisAddress['form']
  const port = form === 'sentinel' ? 26_379 : 6_379
  const address = {
    ...{ form, tls: known[2] === 's', ...parseUser(user) },
    hosts: hosts.split(',').map((host) => parseHost(host, port)),
    ...parsePath(form, path),
    ...parseQuery(form, query),
  }
  if (form === 'server' && address.hosts.length > 1)
    throw new WrongRedisUrl('names more than one server')
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
    throw new WrongRedisUrl('has a user or a password that is not percent-encoded')
  }
}

function parseHost(text: string, port: number) {
  const url = URL.parse(`redis://${text}`)
  if (!url?.hostname) throw new WrongRedisUrl('has a host or a port that cannot be')
  // Brackets belong to the URL, not to the IPv6 address in them.
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || port) }
}

function parsePath(form: RedisAddress['form'], path: string) {
  if (form === 'cluster') {
    if (path !== '') throw new WrongRedisUrl('has a path, and a cluster has none')
    return { db: 0 }
  }
  const [, master, db] =
    (form === 'sentinel' ? /^([\w.-]+)(?:\/(\d*))?$/ : /^()(\d*)$/).exec(path) ?? []
  if (master === undefined)
    throw new WrongRedisUrl(
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
    throw new WrongRedisUrl('has options that are not known')
  return { sentinelUsername, sentinelPassword }
}

/** The URL of a Redis that cannot be used. */
class WrongRedisUrl extends Error {
  override name = 'WrongRedisUrl'
}
