/** Splits `--reason TEXT` from the other arguments. Audit events record the reason. */
export function readReason(args: string[]): { reason: string | undefined; rest: string[] } {
  const index = args.indexOf('--reason')
  if (index < 0) return { reason: undefined, rest: args }
  const reason = args[index + 1]?.trim()
  return { reason: reason || undefined, rest: args.toSpliced(index, 2) }
}
