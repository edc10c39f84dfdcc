import { isIP } from 'node:net'
import { compile } from '@fastify/proxy-addr'
import { normalizeIP } from '@fastify/rate-limit'

/** A network that requests come from, and how many times the limit of one caller it may use. */
export interface CallerNetwork {
  name: string
  share: number
}

/** How many callers' worth of requests a /48 may send: a provider gives a customer that many /64s and more. */
const WIDE_SHARE = 10

/**
 * The networks that a limit per caller counts: the IPv4 address, or the IPv6 /64 and its /48. One IPv6 host can take
 * every address of its /64. Whatever is no address shares one name, so that inventing some wins nothing.
 */
export function callerNetworks(ip: string | undefined): CallerNetwork[] {
  const address = forwardedAddress(ip ?? '')
  if (address === undefined) return [{ name: 'unknown', share: 1 }]
  const narrow = { name: normalizeIP(address, 64), share: 1 }
  if (isIP(narrow.name) === 4) return [narrow]
  return [narrow, { name: `${normalizeIP(address, 48)}/48`, share: WIDE_SHARE }]
}

/** Whether `X-Forwarded-*` of this peer is believed. A proxy may name the one before it with a port, too. */
export function proxyTrust(proxies: string[]): (peer: string | undefined) => boolean {
  const isTrusted = compile(proxies)
  return (peer = '') => isTrusted(forwardedAddress(peer) ?? '', 0)
}

/** The address of `address`, `address:port`, `[address]` or `[address]:port`; undefined where it is none. */
function forwardedAddress(text: string): string | undefined {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(text)?.[1]
  const candidates = bracketed === undefined ? [text, text.replace(/:\d{1,5}$/, '')] : [bracketed]
  return candidates.map(withoutZone).find((candidate) => isIP(candidate) !== 0)
}

/** The zone of a link-local address names an interface of ours, not the caller. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/s, '')
}
