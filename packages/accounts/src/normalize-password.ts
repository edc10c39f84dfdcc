/** UAX #15: no language uses more marks in a row. Sorting a body full of them would block the process for a second. */
const tooManyMarks = /\p{M}{31}/u

/**
 * Normalizes a password by the OpaqueString profile of RFC 8265 §4.2: spaces of other scripts become U+0020, then
 * NFC. The same characters are therefore one password on every keyboard. Unlike the profile, it rejects nothing.
 */
export function normalizePassword(password: string): string {
  if (tooManyMarks.test(password)) return password
  return password.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC')
}
