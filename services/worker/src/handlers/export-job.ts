import { type AcquiredLease, release } from '@lethe/lifecycle'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter } from '../retry-delays.ts'

/** Exports that are made together. */
export interface ExportJob extends HandlerDeps {
  lease: string
  /** The rows that are not done yet, by their ids. */
  left: Map<string, AcquiredLease['rows'][number]>
}

/** They are tried again after a while; whoever has done one of them meanwhile keeps it. */
export async function reschedule(job: ExportJob, ids: string[], err: unknown): Promise<void> {
  const { db, lease, left, log, stop } = job
  for (const id of ids) {
    if (!stop.aborted)
      log.error({ export: id, attempts: left.get(id)?.attempts, err }, 'export.postponed')
    left.delete(id)
  }
  await release(db, 'exports', lease, delaysAfter(err, stop, 'export'), ids)
}
