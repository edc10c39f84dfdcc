import fc from 'fast-check'
import type { Intent } from './arbitrary.ts'
import {
  cancellingByPassword,
  cancellingByToken,
  deleting,
  deletingByAdministrator,
  lookingUp,
  opening,
  openingVault,
} from './deletions.ts'
import {
  erasingUnasked,
  fallingAsleep,
  lending,
  running,
  runningAny,
  sendingOvertaken,
  sweeping,
  wakingUp,
} from './jobs.ts'
import { demoting, loggingIn, promoting, signingUp } from './people.ts'
import { asking, choosing, refreshing, saving, uploading } from './sessions.ts'

/** What people do. */
export const wishes = fc.oneof(
  { weight: 12, arbitrary: signingUp },
  { weight: 10, arbitrary: loggingIn },
  { weight: 1, arbitrary: promoting },
  { weight: 2, arbitrary: asking },
  { weight: 3, arbitrary: refreshing },
  { weight: 4, arbitrary: saving },
  { weight: 2, arbitrary: uploading },
  { weight: 1, arbitrary: choosing },
  { weight: 26, arbitrary: deleting },
  { weight: 6, arbitrary: deletingByAdministrator },
  { weight: 9, arbitrary: cancellingByToken },
  { weight: 6, arbitrary: cancellingByPassword },
  { weight: 1, arbitrary: lookingUp },
  { weight: 2, arbitrary: opening },
  { weight: 1, arbitrary: openingVault },
)

/** What workers do, step by step. */
export const labours = fc.oneof(
  { weight: 6, arbitrary: lending },
  { weight: 3, arbitrary: erasingUnasked },
  { weight: 8, arbitrary: runningAny },
  { weight: 3, arbitrary: fallingAsleep },
  { weight: 6, arbitrary: wakingUp },
  { weight: 2, arbitrary: sendingOvertaken },
  { weight: 5, arbitrary: sweeping },
)

/** What a process may die over: what happens at once or not at all, or in steps that the model knows. */
export const mortal = fc.oneof(
  { weight: 2, arbitrary: signingUp },
  { weight: 2, arbitrary: refreshing },
  { weight: 2, arbitrary: saving },
  { weight: 5, arbitrary: deleting },
  { weight: 3, arbitrary: cancellingByToken },
  { weight: 2, arbitrary: lending },
  { weight: 12, arbitrary: runningAny },
  { weight: 3, arbitrary: wakingUp },
  { weight: 1, arbitrary: sweeping },
)

/** What may meet at the same moment, most of all. */
export const encounters = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(cancellingByToken, running('erase-accounts')) },
  { weight: 3, arbitrary: fc.tuple(cancellingByToken, running('export-accounts')) },
  { weight: 2, arbitrary: fc.tuple(cancellingByToken, running('send-mail')) },
  { weight: 2, arbitrary: fc.tuple(cancellingByToken, sweeping) },
  { weight: 4, arbitrary: fc.tuple(deleting, fc.oneof(saving, refreshing, loggingIn, uploading)) },
  { weight: 2, arbitrary: fc.tuple(deleting, fc.oneof(deleting, deletingByAdministrator)) },
  { weight: 2, arbitrary: fc.tuple(demoting, deletingByAdministrator) },
  { weight: 2, arbitrary: fc.tuple(signingUp, fc.oneof(signingUp, running('erase-accounts'))) },
  { weight: 2, arbitrary: fc.tuple(lending, runningAny) },
  { weight: 2, arbitrary: sweeping.map((twice): [Intent, Intent] => [twice, twice]) },
  { weight: 6, arbitrary: runningAny.map((twice): [Intent, Intent] => [twice, twice]) },
  { weight: 2, arbitrary: runningAny.map((thrice) => [thrice, thrice, thrice]) },
  { weight: 3, arbitrary: fc.tuple(mortal, mortal) },
)
