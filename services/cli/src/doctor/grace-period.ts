import type { Duration } from '@lethe/config'
import { type Finding, ok, wrong } from './finding.ts'

// February: for every start date, no longer period is within one calendar month.
const SHORTEST_MONTH_S = 28 * 86_400

export function checkGracePeriod({ gracePeriod }: { gracePeriod: Duration }): Finding[] {
  const { iso, seconds } = gracePeriod
  if (seconds <= SHORTEST_MONTH_S)
    return [ok(`${iso} is within one calendar month, whenever it begins`)]
  return [
    wrong(
      `${iso} can be longer than one calendar month, the time that a request may take (GDPR Art. 12(3))`,
      'set GRACE_PERIOD=P27D: 27 days, and a day of slack for the work itself',
    ),
  ]
}
