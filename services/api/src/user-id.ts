/** Parses a user id in a path: decimal, from 1 to 2^53 - 1, without leading zeros. */
export function parseUserId(text: string): number | undefined {
  const id = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(id) ? id : undefined
}
