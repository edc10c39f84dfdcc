/** What follows `--reason`, which stands in the audit events; undefined where nothing does. */
export function readReason(args: string[]): { reason: string | undefined; rest: string[] } {
  const place = args.indexOf('--reason')
  if (place < 0) return { reason: undefined, rest: args }
  const reason = args[place + 1]?.trim()
  return { reason: reason || undefined, rest: args.toSpliced(place, 2) }
}
