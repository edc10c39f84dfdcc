import { hasMailableDomain, hasMailableLocalPart } from '@lethe/accounts'
import { parseUserId } from './user-id.ts'

/** What the schemas of the routes can say beside the formats that JSON Schema knows. */
export const formats = {
  'user-id': (text: string) => parseUserId(text) !== undefined,
  // In any script: accounts from before the rules below must be found.
  'email-address': (text: string) => /^[^\s\p{Cc}<>,;@]+@[^\s\p{Cc}<>,;@]+$/u.test(text),
  'email-local-part': hasMailableLocalPart,
  'email-domain': hasMailableDomain,
  'password-bytes': (text: string) => {
    const bytes = Buffer.byteLength(text)
    return bytes >= 8 && bytes <= 1024
  },
}
