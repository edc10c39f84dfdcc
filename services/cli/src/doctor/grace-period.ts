import type { Duration } from '@lethe/config'
import { type Finding, ok, wrong } from './finding.ts'

// The length of February: a longer period can exceed one calendar month, depending on its start date.
const SHORTEST_MONTH_S = 28 * 86_400

export function checkGracePeriod({ gracePeriod }: { gracePeriod: Duration }): Finding[] {
  const { iso, seconds } = gracePeriod
  if (seconds <= SHORTEST_MONTH_S)
    return [ok(`${iso} is within one calendar month for every start date`)]
  return [
    wrong(
      `${iso} can be longer than one calendar month, the limit for answering a request (GDPR Art. 12(3))`,
      'set GRACE_PERIOD=P27D: 27 days, which leaves a day for the erasure itself',
    ),
  ]
}
