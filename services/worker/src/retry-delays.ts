import { isContended, isUnavailable } from '@lethe/db'

const MINUTE = 60
const HOUR = 60 * MINUTE

/** Seconds until a row is tried again, after its first attempt, its second, and so on; the last one for the rest. */
export const retryDelays = {
  /** Until five days are over: a server that is down for a weekend loses no mail. */
  mail: [5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR],
  /** Erasure waits an hour past its date for the export. */
  export: [2, 10, MINUTE, 5 * MINUTE],
  /** Erasure is promised: it is never given up. */
  erasure: [5, 30, 2 * MINUTE, 10 * MINUTE, HOUR],
  /** Too much to be done together with others: next it is done alone. */
  individually: [0],
  /** The worker stops: another one may begin at once. */
  stopped: [0],
  /** The database was away, or somebody was using the rows: that says nothing about them, however often they were tried. */
  databaseUnavailable: [5],
} as const

/** Those of this work, unless it failed for a reason that lies elsewhere. */
export function delaysAfter(
  error: unknown,
  stop: AbortSignal,
  work: 'export' | 'erasure',
): readonly number[] {
  if (stop.aborted) return retryDelays.stopped
  return isUnavailable(error) || isContended(error)
    ? retryDelays.databaseUnavailable
    : retryDelays[work]
}
