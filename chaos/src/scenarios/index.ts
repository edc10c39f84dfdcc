import type { Scenario } from '../scenario.ts'
import { clocksAndTampering } from './clocks-and-tampering.ts'
import { hostileMail } from './hostile-mail.ts'
import { races } from './races.ts'
import { redisWiped } from './redis-wiped.ts'

/** In the order of the summary. */
export const scenarios: readonly Scenario[] = [races, clocksAndTampering, hostileMail, redisWiped]
