import { hasMailableDomain, hasMailableLocalPart } from '@lethe/accounts'
import { parseUserId } from './user-id.ts'

/** Formats that the schemas of the routes use besides those of JSON Schema. */
export const formats = {
  'user-id': (text: string) => parseUserId(text) !== undefined,
  'email-address': isAddress,
  // A value that is no address is reported once, by the format above.
  'email-local-part': (text: string) => !isAddress(text) || hasMailableLocalPart(text),
  'email-domain': (text: string) => !isAddress(text) || hasMailableDomain(text),
  'password-bytes': (text: string) => {
    const bytes = Buffer.byteLength(text)
    return bytes >= 8 && bytes <= 1024
  },
}

/** Accepts any script: an account may be older than the rules for new addresses. */
function isAddress(text: string): boolean {
  return /^[^\s\p{Cc}<>,;@]+@[^\s\p{Cc}<>,;@]+$/u.test(text)
}
