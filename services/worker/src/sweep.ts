import { removeOrphanedArchives } from '@lethe/archive'
import type { Db } from '@lethe/db'
import {
  dispatchBatch,
  dispatchExports,
  expireExports,
  findArchivesToCheck,
  findArchivesToRemove,
  giveUpExports,
  handleMissingArchive,
  hasArchivesToRemove,
  hasClaimable,
  hasDueReminders,
  hasExportsToExpire,
  hasPendingExports,
  hasPendingMails,
  hasReleaseToFinish,
  hasUnsealedEvents,
  isClaimable,
  mustTrip,
  purgeMails,
  purgeRateLimits,
  recordCheckedArchives,
  recordRemovedArchive,
  releaseBatch,
  sealAuditEvents,
  stageReminders,
  tripBreaker,
} from '@lethe/lifecycle'
import type { OpenQueue } from '@lethe/queue'
import type { RawBuilder } from 'kysely'
import type { Deps } from './deps.ts'
import { relayMails } from './relay.ts'

const MINUTE = 60_000

const DELETION_BATCH_SIZE = 1_000
const ARCHIVE_BATCH_SIZE = 100
/** Rows that one statement closes or purges. */
const SWEEP_BATCH_SIZE = 1_000
/** With this many waiting jobs nothing is dispatched: rows can wait, but the leases of jobs expire. */
const MAX_WAITING_JOBS = 10

interface Task {
  /** Returns true when there may be more work right away. */
  run(): Promise<boolean>
}

/** A task with a condition that an index answers. The worker checks all conditions in one statement and runs the tasks that have work. */
export interface ConditionalTask extends Task {
  when: RawBuilder<boolean>
}

/** A task that runs at an interval, since there is no fast check whether it has work. */
export interface PeriodicTask extends Task {
  everyMs: number
}

/** The tasks that find work which no event announces. Each is a small guarded statement that any number of workers may run. */
export function sweepTasks(deps: Deps, queue: OpenQueue) {
  return { ...conditionalTasks(deps, queue), ...periodicTasks(deps) }
}

export function conditionalTasks(deps: Deps, queue: OpenQueue) {
  const { db, breakerLimits } = deps
  return {
    relay: { when: hasPendingMails, run: () => relayMails(db, queue) },
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
    'remove-orphaned-archives': { everyMs: MINUTE, run: once(() => collectOrphanedArchives(deps)) },
  } satisfies Record<string, PeriodicTask>
}

function once(run: () => Promise<unknown>): Task['run'] {
  return async () => {
    await run()
    return false
  }
}

function inBatches(db: Db, run: (db: Db, limit: number) => Promise<number>): Task['run'] {
  return async () => (await run(db, SWEEP_BATCH_SIZE)) === SWEEP_BATCH_SIZE
}

async function queueExports({ db }: Deps, queue: OpenQueue): Promise<boolean> {
  const { waiting } = await queue.counts('export-accounts')
  if (waiting >= MAX_WAITING_JOBS) return false
  const leases = await dispatchExports(db)
  await queue.publish('export-accounts', leases)
  return leases.length > 0
}

/** Queues deletions that are due, and those whose worker died after the claim. */
async function queueDeletions({ db, breakerLimits }: Deps, queue: OpenQueue): Promise<boolean> {
  const { waiting } = await queue.counts('erase-accounts')
  if (waiting >= MAX_WAITING_JOBS) return false
  const lease = await dispatchBatch(
    db,
    'deletions',
    isClaimable(breakerLimits, DELETION_BATCH_SIZE),
    DELETION_BATCH_SIZE,
  )
  if (!lease) return false
  await queue.publish('erase-accounts', [lease])
  return true
}

/** Records and logs each trip once. Dispatch and claim check the limits themselves. */
async function reportTrips({ db, breakerLimits, log }: Deps): Promise<void> {
  for (const { id: _, ...trip } of await tripBreaker(db, breakerLimits))
    log.error(trip, 'erasure.stopped')
}

async function removeArchives({ db, storage, folders, log }: Deps): Promise<boolean> {
  const archives = await findArchivesToRemove(db, ARCHIVE_BATCH_SIZE)
  if (archives.length === 0 || (await folders.findProblem())) return false
  for (const { exportId, fileName } of archives) {
    try {
      await storage.remove([fileName])
    } catch (error) {
      log.error(storageFailure(exportId, error), 'archive.not-removed')
      continue
    }
    await recordRemovedArchive(db, exportId)
  }
  return archives.length === ARCHIVE_BATCH_SIZE
}

/** Checks nothing in the folder of another database, where every archive would seem to be missing. */
async function checkArchives({ db, storage, folders, log }: Deps): Promise<boolean> {
  if (await folders.findProblem()) return false
  const archives = await findArchivesToCheck(db, ARCHIVE_BATCH_SIZE)
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
    const isMadeAgain = await handleMissingArchive(db, exportId, fileName)
    log.error({ export: exportId, isMadeAgain }, 'archive.missing')
  }
  await recordCheckedArchives(db, checked)
  return archives.length === ARCHIVE_BATCH_SIZE
}

async function collectOrphanedArchives({ db, storage, folders, log }: Deps): Promise<void> {
  if (await folders.findProblem()) return
  await removeOrphanedArchives(db, storage, {
    removed: (exportId) => log.info({ export: exportId }, 'archive.collected'),
    failed: (exportId, error) =>
      log.error(storageFailure(exportId, error), 'archive.not-collected'),
  })
}

/** The loggable part of a storage error. Its message may contain a path. */
function storageFailure(exportId: string, error: unknown): object {
  const { code, name } = error as NodeJS.ErrnoException
  return { export: exportId, code: code ?? name }
}
