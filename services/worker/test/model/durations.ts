/** Milliseconds. */
export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
export const YEAR = 365 * DAY

/** ISO 8601 for the product, and milliseconds for the model. */
export interface Duration {
  iso: string
  ms: number
}

/** Grace periods around the times of both reminders, and far from them. */
export const gracePeriods: Duration[] = [
  { iso: 'P27D', ms: 27 * DAY },
  { iso: 'P90D', ms: 90 * DAY },
  { iso: 'P7DT1S', ms: 7 * DAY + SECOND },
  { iso: 'P7D', ms: 7 * DAY },
  { iso: 'P3D', ms: 3 * DAY },
  { iso: 'P1D', ms: DAY },
  { iso: 'PT1H', ms: HOUR },
]
export const sessionTtl: Duration = { iso: 'P14D', ms: 14 * DAY }
export const reauthenticationWindow: Duration = { iso: 'PT15M', ms: 15 * MINUTE }
export const exportTtl: Duration = { iso: 'P7D', ms: 7 * DAY }
