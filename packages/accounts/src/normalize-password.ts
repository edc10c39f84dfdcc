/** UAX #15: no language has more marks in a row. Sorting a body full of them would block the process for a second. */
const TOO_MANY_MARKS = /\p{M}{31}/u

/**
 * A password as it is hashed, by the OpaqueString profile of RFC 8265 §4.2: spaces of other scripts become U+0020, then NFC. So
 * the same characters are one password, whichever keyboard composed them. It refuses nothing that the profile disallows.
 */
export function normalizePassword(password: string): string {
  if (TOO_MANY_MARKS.test(password)) return password
  return password.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC')
}
