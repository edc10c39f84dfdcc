/** A copy that has no member but its own: a column may be called `constructor`, and then the map must not seem to know it. */
export function ownMembers<T>(value: T): T {
  if (Array.isArray(value)) return value.map(ownMembers) as T
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).map(([name, member]) => [name, ownMembers(member)] as const)
  return Object.setPrototypeOf(Object.fromEntries(members), null)
}
