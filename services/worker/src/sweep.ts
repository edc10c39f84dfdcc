import { removeOrphanedArchives } from '@lethe/archive'
import type { Db } from '@lethe/db'
import {
  archiveMissing,
  archiveRemoved,
  archivesChecked,
  archivesToCheck,
  archivesToRemove,
  dispatchBatch,
  dispatchExports,
  expireExports,
  giveUpExports,
  hasArchivesToRemove,
  hasClaimable,
  hasDueReminders,
  hasExportsToExpire,
  hasPendingExports,
  hasReleaseToFinish,
  hasUnsealedEvents,
  isClaimable,
  mustTrip,
  purgeMails,
  purgeRateLimits,
  releaseBatch,
  sealAuditEvents,
  stageReminders,
  tripBreaker,
} from '@lethe/lifecycle'
import type { OpenQueue } from '@lethe/queue'
import type { RawBuilder } from 'kysely'
import type { Deps } from './deps.ts'
import { hasMailsToRelay, relayMails } from './relay.ts'

const MINUTE = 60_000

const DELETIONS = 1_000
const ARCHIVES = 100
/** Of what is closed or forgotten by one statement. */
const BATCH = 1_000
/** Beyond these nothing is lent: rows wait better than jobs, whose leases run out. */
const BATCHES_WAITING = 10

interface Task {
  /** True when there may be more to do at once. */
  run(): Promise<boolean>
}

/** A task with a condition that an index answers: the worker asks for all of these at once, and runs what it finds. */
export interface ConditionalTask extends Task {
  when: RawBuilder<boolean>
}

/** A task that runs by the clock, since nothing tells quickly whether there is something to do. */
export interface PeriodicTask extends Task {
  everyMs: number
}

/** What no event announces is found here: each task is one small guarded statement, and any number of workers may run it. */
export function sweepTasks(deps: Deps, queue: OpenQueue) {
  return { ...conditionalTasks(deps, queue), ...periodicTasks(deps) }
}

export function conditionalTasks(deps: Deps, queue: OpenQueue) {
  const { db, breakerLimits } = deps
  return {
    relay: { when: hasMailsToRelay, run: () => relayMails(db, queue) },
    'dispatch-exports': { when: hasPendingExports, run: () => queueExports(deps, queue) },
    'dispatch-deletions': {
      when: hasClaimable(breakerLimits),
      run: () => queueDeletions(deps, queue),
    },
    'trip-breaker': { when: mustTrip(breakerLimits), run: once(() => reportTrips(deps)) },
    'finish-release': { when: hasReleaseToFinish, run: () => releaseBatch(db) },
    'stage-reminders': { when: hasDueReminders, run: inBatches(db, stageReminders) },
    'expire-exports': { when: hasExportsToExpire, run: inBatches(db, expireExports) },
    'remove-archives': { when: hasArchivesToRemove, run: () => removeArchives(deps) },
    'seal-audit-events': { when: hasUnsealedEvents, run: inBatches(db, sealAuditEvents) },
  } satisfies Record<string, ConditionalTask>
}

export function periodicTasks(deps: Deps) {
  const { db, purgeExpiredSessions } = deps
  return {
    'purge-rate-limits': { everyMs: MINUTE, run: inBatches(db, purgeRateLimits) },
    'purge-expired-sessions': { everyMs: MINUTE, run: inBatches(db, purgeExpiredSessions) },
    'purge-mails': { everyMs: 10 * MINUTE, run: inBatches(db, purgeMails) },
    'give-up-exports': { everyMs: 10 * MINUTE, run: once(() => giveUpExports(db)) },
    'check-archives': { everyMs: MINUTE, run: () => checkArchives(deps) },
    'remove-orphaned-archives': { everyMs: MINUTE, run: once(() => collectArchives(deps)) },
  } satisfies Record<string, PeriodicTask>
}

function once(run: () => Promise<unknown>): Task['run'] {
  return async () => {
    await run()
    return false
  }
}

function inBatches(db: Db, run: (db: Db, limit: number) => Promise<number>): Task['run'] {
  return async () => (await run(db, BATCH)) === BATCH
}

async function queueExports({ db }: Deps, queue: OpenQueue): Promise<boolean> {
  const { waiting } = await queue.counts('export-accounts')
  if (waiting >= BATCHES_WAITING) return false
  const leases = await dispatchExports(db)
  await queue.publish('export-accounts', leases)
  return leases.length > 0
}

/** Those that are due, and those that a worker had claimed before it died. */
async function queueDeletions({ db, breakerLimits }: Deps, queue: OpenQueue): Promise<boolean> {
  const { waiting } = await queue.counts('erase-accounts')
  if (waiting >= BATCHES_WAITING) return false
  const lease = await dispatchBatch(
    db,
    'deletions',
    isClaimable(breakerLimits, DELETIONS),
    DELETIONS,
  )
  if (!lease) return false
  await queue.publish('erase-accounts', [lease])
  return true
}

/** Lending and claiming stop by themselves; that it is so is noted and told here, once. */
async function reportTrips({ db, breakerLimits, log }: Deps): Promise<void> {
  for (const { id: _, ...trip } of await tripBreaker(db, breakerLimits))
    log.error(trip, 'erasure.stopped')
}

async function removeArchives({ db, storage, folders, log }: Deps): Promise<boolean> {
  const archives = await archivesToRemove(db, ARCHIVES)
  if (archives.length === 0 || (await folders.whyNot())) return false
  for (const { exportId, fileName } of archives) {
    try {
      await storage.remove([fileName])
    } catch (error) {
      log.error(storageFailure(exportId, error), 'archive.not-removed')
      continue
    }
    await archiveRemoved(db, exportId)
  }
  return archives.length === ARCHIVES
}

/** In a folder that is another database's every archive would seem to be missing. */
async function checkArchives({ db, storage, folders, log }: Deps): Promise<boolean> {
  if (await folders.whyNot()) return false
  const archives = await archivesToCheck(db, ARCHIVES)
  const checked: string[] = []
  for (const { exportId, fileName } of archives) {
    try {
      const stored = await storage.open(fileName)
      await stored?.close()
      checked.push(exportId)
      if (stored) continue
    } catch (error) {
      log.error(storageFailure(exportId, error), 'archive.not-checked')
      continue
    }
    const isMadeAgain = await archiveMissing(db, exportId, fileName)
    log.error({ export: exportId, isMadeAgain }, 'archive.missing')
  }
  await archivesChecked(db, checked)
  return archives.length === ARCHIVES
}

async function collectArchives({ db, storage, folders, log }: Deps): Promise<void> {
  if (await folders.whyNot()) return
  await removeOrphanedArchives(db, storage, {
    removed: (exportId) => log.info({ export: exportId }, 'archive.collected'),
    failed: (exportId, error) =>
      log.error(storageFailure(exportId, error), 'archive.not-collected'),
  })
}

/** Without the message, which may name a path. */
function storageFailure(exportId: string, error: unknown): object {
  const { code, name } = error as NodeJS.ErrnoException
  return { export: exportId, code: code ?? name }
}
