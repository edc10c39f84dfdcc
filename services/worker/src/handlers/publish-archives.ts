import { publishArchives, type StoredExport } from '@lethe/lifecycle'
import { type ExportJob, reschedule } from './export-job.ts'

/** To offer many takes hardly longer than to offer one: what is made waits for others, but no longer than this. */
const WAIT_MS = 300

export interface PublishQueue {
  add(stored: StoredExport): void
  /** Offers what waits. Rejects where any could be neither offered nor given back: its lease runs out then. */
  end(): Promise<void>
}

export function openPublishQueue(job: ExportJob): PublishQueue {
  let waiting: StoredExport[] = []
  let timer: NodeJS.Timeout | undefined
  let offered = Promise.resolve()
  const offerWaiting = () => {
    const these = waiting
    waiting = []
    clearTimeout(timer)
    timer = undefined
    if (these.length > 0) offered = offered.then(() => publish(job, these))
    // Whoever ends hears of it.
    offered.catch(() => {})
    return offered
  }
  return {
    add(stored) {
      waiting.push(stored)
      timer ??= setTimeout(offerWaiting, WAIT_MS)
    },
    end: offerWaiting,
  }
}

async function publish(job: ExportJob, stored: StoredExport[]): Promise<void> {
  const { db, lease, left, storage, exportTtl, log } = job
  const ids = stored.map(({ exportId }) => exportId)
  try {
    const offered = await publishArchives(db, lease, stored, exportTtl)
    for (const [place, id] of ids.entries()) {
      log.info({ export: id }, offered[place] ? 'export.made' : 'export.dropped')
      left.delete(id)
    }
    // Cancelled, given up or lost meanwhile: nobody may find them.
    const unwanted = stored.filter((_, place) => !offered[place])
    await storage.remove(unwanted.map(({ fileName }) => fileName))
  } catch (error) {
    const open = ids.filter((id) => left.has(id))
    await reschedule(job, open, error)
  }
}
