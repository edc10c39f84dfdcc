import { domainToASCII, domainToUnicode } from 'node:url'

const MAX_LENGTH = 254
const ASCII = /^[\x20-\x7e]*$/
/** The host of a URL allows more: `ü.example/x`, `ü%2eexample`. */
const NAME = /^[a-z0-9.\u0080-\u{10ffff}-]+$/iu
/** RFC 5322 §3.2.3: a dot-atom. */
const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
/** RFC 5321 §2.3.5, with a last label that is not a number: mail servers read `1.2` as an IP address. */
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * The form in which an address is stored and searched: its domain in lowercase, as the mailer writes it, and a domain
 * in another script in ASCII (`xn--…`, UTS 46).
 */
export function normalizeAddress(address: string): string {
  const [local, domain] = splitAddress(address)
  if (ASCII.test(domain)) return `${local}@${domain.toLowerCase()}`
  return `${local}@${domainToASCII(domain) || domain}`
}

/** Whether mail can be sent to the part before the @: non-ASCII characters need SMTPUTF8, which few servers support. */
export function hasMailableLocalPart(address: string): boolean {
  const [local] = splitAddress(address)
  return LOCAL_PART.test(local) && local.length <= 64
}

/** Whether the part after the @ is a domain name that a mailer leaves unchanged. */
export function hasMailableDomain(address: string): boolean {
  const [, domain] = splitAddress(address)
  if (!NAME.test(domain)) return false
  // Empty if the name is invalid, and different if it is an IP address.
  const ascii = domainToASCII(domain)
  if (ASCII.test(domain) && domain.toLowerCase() !== ascii) return false
  return DOMAIN.test(ascii) && isPunycode(ascii) && normalizeAddress(address).length <= MAX_LENGTH
}

/** Whether each label that begins with `xn--` encodes exactly one label in another script. */
function isPunycode(domain: string): boolean {
  const unicode = domainToUnicode(domain)
  const labels = unicode.split('.')
  const decoded = domain.split('.').every((label, place) => {
    return !label.startsWith('xn--') || !ASCII.test(labels[place] ?? '')
  })
  return decoded && domainToASCII(unicode) === domain
}

function splitAddress(address: string): [local: string, domain: string] {
  const at = address.lastIndexOf('@')
  return [address.slice(0, Math.max(at, 0)), address.slice(at + 1)]
}
