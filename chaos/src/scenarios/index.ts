import type { Scenario } from '../scenario.ts'
import { clocksAndTampering } from './clocks-and-tampering.ts'
import { crashPoints } from './crash-points.ts'
import { hostileMail } from './hostile-mail.ts'
import { partsAway } from './parts-away.ts'
import { races } from './races.ts'
import { redisWiped } from './redis-wiped.ts'
import { sigterms } from './sigterms.ts'
import { workersKilled } from './workers-killed.ts'

/** Those that take longest first, so that the lanes end together. */
export const scenarios: readonly Scenario[] = [
  crashPoints,
  redisWiped,
  workersKilled,
  races,
  sigterms,
  partsAway,
  clocksAndTampering,
  hostileMail,
]
