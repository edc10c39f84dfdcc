import { ConfigError, quoted } from './error.ts'
import { optional } from './text.ts'

export interface Duration {
  /** An ISO 8601 duration. PostgreSQL reads it as an `interval`, because the database computes all dates. */
  iso: string
  seconds: number
}

const DAY = 86_400
const LONGEST = 400 * DAY

// Only days, hours, minutes and seconds: a month has no fixed length.
const pattern =
  /^P(?=[\dT])(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/

/**
 * Reads a duration from zero to 400 days. PostgreSQL would read `27` as seconds and would accept `P-1D` and `P1M`, so
 * this function checks the form itself.
 */
export function duration(env: NodeJS.ProcessEnv, name: string, fallback: string): Duration {
  const iso = optional(env, name) ?? fallback
  const seconds = secondsOf(iso)
  if (seconds === undefined || seconds > LONGEST)
    throw new ConfigError(
      name,
      `is ${quoted(iso)}`,
      'an ISO 8601 duration of days, hours, minutes and seconds from zero to 400 days, such as P27D or PT1H30M',
    )
  return { iso, seconds }
}

function secondsOf(iso: string): number | undefined {
  const match = pattern.exec(iso)
  if (!match) return undefined
  const [days, hours, minutes, seconds] = match.slice(1).map((digits) => Number(digits || 0))
  return (days ?? 0) * DAY + (hours ?? 0) * 3_600 + (minutes ?? 0) * 60 + (seconds ?? 0)
}
