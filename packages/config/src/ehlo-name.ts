import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { isLoopbackHost } from './loopback.ts'

/**
 * The name that the worker sends in EHLO: `?name=` of SMTP_URL, else the host of PUBLIC_URL. Relays reject
 * `localhost` and `[127.0.0.1]`, which nodemailer uses if the machine's name has no dot, as in containers.
 */
export function ehloName(smtpUrl: string, publicUrl: string): string {
  return new URL(smtpUrl).searchParams.get('name') || publicName(new URL(publicUrl).hostname)
}

/** Whether relays on other machines can use it: a name with a dot, or a public address (RFC 5321 §4.1.3). */
export function isPublicEhloName(name: string): boolean {
  return /^\[.+\]$/.test(name) ? !isLoopbackHost(literalAddress(name)) : /[^.]\.[^.]/.test(name)
}

function publicName(host: string): string {
  const address = host.replace(/^\[|\]$/g, '')
  // A loopback host identifies no machine. The machine's own name is better, even without a dot.
  if (isLoopbackHost(address)) return hostname()
  if (isIP(address) === 6) return `[IPv6:${address}]`
  return isIP(address) === 4 ? `[${address}]` : host
}

const literalAddress = (name: string) => name.slice(1, -1).replace(/^IPv6:/i, '')
