import { isIP } from 'node:net'
import { compile } from '@fastify/proxy-addr'
import { normalizeIP } from '@fastify/rate-limit'

/** A network that sends requests, and how many times the limit of one caller it may use. */
export interface CallerNetwork {
  name: string
  share: number
}

/** A /48 may send as many requests as this many callers: a provider gives one customer that many /64s and more. */
const WIDE_SHARE = 10

/**
 * The networks that a limit per caller counts: the IPv4 address, or the IPv6 /64 and its /48. One IPv6 host can take
 * every address of its /64. All values that are no address share one name, so inventing values gains nothing.
 */
export function callerNetworks(ip: string | undefined): CallerNetwork[] {
  const address = forwardedAddress(ip ?? '')
  if (address === undefined) return [{ name: 'unknown', share: 1 }]
  const narrow = { name: normalizeIP(address, 64), share: 1 }
  if (isIP(narrow.name) === 4) return [narrow]
  return [narrow, { name: `${normalizeIP(address, 48)}/48`, share: WIDE_SHARE }]
}

/** Whether to trust `X-Forwarded-*` from this peer. A proxy may name the previous hop with a port. */
export function proxyTrust(proxies: string[]): (peer: string | undefined) => boolean {
  const isTrusted = compile(proxies)
  return (peer = '') => isTrusted(forwardedAddress(peer) ?? '', 0)
}

/** Parses `address`, `address:port`, `[address]` or `[address]:port`; undefined for anything else. */
function forwardedAddress(text: string): string | undefined {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(text)?.[1]
  const candidates = bracketed === undefined ? [text, text.replace(/:\d{1,5}$/, '')] : [bracketed]
  return candidates.map(withoutZone).find((candidate) => isIP(candidate) !== 0)
}

/** The zone of a link-local address names an interface of this machine, not the caller. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/s, '')
}
