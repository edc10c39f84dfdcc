import type { Scenario } from '../scenario.ts'
import { clocksAndTampering } from './clocks-and-tampering.ts'
import { crashPoints } from './crash-points.ts'
import { hostileMail } from './hostile-mail.ts'
import { partsAway } from './parts-away.ts'
import { races } from './races.ts'
import { redisWiped } from './redis-wiped.ts'
import { sigterms } from './sigterms.ts'
import { workersKilled } from './workers-killed.ts'

/** In run order. */
export const scenarios: readonly Scenario[] = [
  sigterms,
  clocksAndTampering,
  partsAway,
  hostileMail,
  crashPoints,
  workersKilled,
  redisWiped,
  races,
]
