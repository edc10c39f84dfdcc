import { type AcquiredLease, release } from '@lethe/lifecycle'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter } from '../retry-delays.ts'

/** A batch of exports under one lease. */
export interface ExportJob extends HandlerDeps {
  lease: string
  /** The rows that are neither published, dropped nor released yet, by id. */
  openRows: Map<string, AcquiredLease['rows'][number]>
}

/** Schedules the next attempt of these exports. The lease guards the update, so a result of another worker stays. */
export async function reschedule(job: ExportJob, ids: string[], err: unknown): Promise<void> {
  const { db, lease, openRows, log, stop } = job
  for (const id of ids) {
    if (!stop.aborted)
      log.error({ export: id, attempts: openRows.get(id)?.attempts, err }, 'export.postponed')
    openRows.delete(id)
  }
  await release(db, 'exports', lease, delaysAfter(err, stop, 'export'), ids)
}
