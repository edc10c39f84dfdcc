import { isContended, isUnavailable } from '@lethe/db'

const MINUTE = 60
const HOUR = 60 * MINUTE

/** Seconds until the next attempt, by the number of attempts so far. The last value applies to all further attempts. */
export const retryDelays = {
  /** Mails are retried for five days, so a mail server that is down for a weekend loses none. */
  mail: [5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR],
  /** Short delays: erasure waits at most an hour past its date for the export. */
  export: [2, 10, MINUTE, 5 * MINUTE],
  /** Erasure is a promise: the worker never gives up. */
  erasure: [5, 30, 2 * MINUTE, 10 * MINUTE, HOUR],
  /** The row is too large for a batch: the next attempt handles it individually. */
  individually: [0],
  /** The worker stops: another worker may start right away. */
  stopped: [0],
  /** The database was unavailable, or another transaction locked the rows: no reason for a longer delay. */
  databaseUnavailable: [5],
} as const

/** The delays of this kind of work, or shorter ones if the failure has an external cause. */
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
