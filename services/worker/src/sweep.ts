import {
  archiveRemoved,
  archivesToRemove,
  expireExports,
  forgetOldHits,
  giveUpExports,
  mayBeClaimed,
  sealAuditEvents,
  stageReminders,
  tripBreaker,
} from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { removeDead } from '@lethe/exports'
import { lendTogether, type OpenQueue } from '@lethe/jobs'
import type { Deps } from './deps.ts'
import { forgetMails } from './forget-mails.ts'
import { lendExports } from './lend-exports.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

const DELETIONS = 1_000
const ARCHIVES = 100
/** Of what is closed or forgotten by one statement. */
const BATCH = 1_000
/** Beyond these nothing is lent: rows wait better than jobs, whose leases run out. */
const BATCHES_WAITING = 10

interface Task {
  everyMs: number
  /** True when there may be more to do at once. */
  run(): Promise<boolean>
}

/** What no event announces is found here: each task is one small guarded statement, and any number of workers may run it. */
export function sweepTasks(deps: Deps, queue: OpenQueue) {
  const { db, storage } = deps
  const each = (everyMs: number, run: () => Promise<unknown>): Task => ({
    everyMs,
    run: async () => {
      await run()
      return false
    },
  })
  const inBatches = (everyMs: number, run: (db: Db, limit: number) => Promise<number>): Task => ({
    everyMs,
    run: async () => (await run(db, BATCH)) === BATCH,
  })
  return {
    'lend-exports': { everyMs: SECOND / 4, run: () => queueExports(deps, queue) },
    'lend-deletions': { everyMs: SECOND, run: () => queueDeletions(deps, queue) },
    'trip-breaker': each(SECOND, () => watchBlastRadius(deps)),
    'stage-reminders': each(SECOND, () => stageReminders(db)),
    'expire-exports': inBatches(SECOND, expireExports),
    'remove-archives': { everyMs: SECOND, run: () => removeArchives(deps) },
    'seal-audit-events': each(SECOND, () => sealAuditEvents(db)),
    'forget-old-hits': inBatches(MINUTE, forgetOldHits),
    'forget-expired-sessions': inBatches(MINUTE, deps.forgetExpiredSessions),
    'forget-mails': inBatches(10 * MINUTE, forgetMails),
    'give-up-exports': each(10 * MINUTE, () => giveUpExports(db)),
    'remove-dead': each(MINUTE, () => removeDead(db, storage)),
  } satisfies Record<string, Task>
}

async function queueExports({ db }: Deps, queue: OpenQueue): Promise<boolean> {
  const { waiting } = await queue.counts('export-accounts')
  if (waiting >= BATCHES_WAITING) return false
  const leases = await lendExports(db)
  await queue.publish('export-accounts', leases)
  return leases.length > 0
}

/** Those that are due, and those that a worker had claimed before it died. */
async function queueDeletions({ db, blastRadius }: Deps, queue: OpenQueue): Promise<boolean> {
  const { waiting } = await queue.counts('erase-accounts')
  if (waiting >= BATCHES_WAITING) return false
  const lease = await lendTogether(db, 'deletions', mayBeClaimed(blastRadius), DELETIONS)
  if (!lease) return false
  await queue.publish('erase-accounts', [lease])
  return true
}

/** Lending and claiming stop by themselves; that it is so is noted and told here, once. */
async function watchBlastRadius({ db, blastRadius, log }: Deps): Promise<void> {
  const trip = await tripBreaker(db, blastRadius)
  if (trip) log.error(trip, 'erasure.stopped')
}

async function removeArchives({ db, storage, log }: Deps): Promise<boolean> {
  const archives = await archivesToRemove(db, ARCHIVES)
  for (const { exportId, fileName } of archives) {
    try {
      await storage.remove([fileName])
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException
      log.error({ export: exportId, code: code ?? name }, 'archive.not-removed')
      continue
    }
    await archiveRemoved(db, exportId)
  }
  return archives.length === ARCHIVES
}
