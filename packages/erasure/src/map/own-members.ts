/** A copy without a prototype. Otherwise a column named `constructor` would seem to be in the map. */
export function ownMembers<T>(value: T): T {
  if (Array.isArray(value)) return value.map(ownMembers) as T
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).map(([name, member]) => [name, ownMembers(member)] as const)
  return Object.setPrototypeOf(Object.fromEntries(members), null)
}
