/** The id of a user as it stands in a path: decimal, from 1 to 2^53 - 1, written in one way only. */
export function parseUserId(text: string): number | undefined {
  const id = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(id) ? id : undefined
}
