import { publishArchives, type StoredExport } from '@lethe/lifecycle'
import { type ExportJob, reschedule } from './export-job.ts'

/** Publishing many archives takes hardly longer than one, so a finished archive waits this long for others. */
const PUBLISH_INTERVAL_MS = 300

export interface PublishQueue {
  add(stored: StoredExport): void
  /** Publishes the waiting archives. Rejects if any could be neither published nor released: its lease expires. */
  end(): Promise<void>
}

export function openPublishQueue(job: ExportJob): PublishQueue {
  let waiting: StoredExport[] = []
  let timer: NodeJS.Timeout | undefined
  let publishing = Promise.resolve()
  const publishWaiting = () => {
    const batch = waiting
    waiting = []
    clearTimeout(timer)
    timer = undefined
    if (batch.length > 0) publishing = publishing.then(() => publish(job, batch))
    // `end` returns the rejection; this avoids an unhandled one before that.
    publishing.catch(() => {})
    return publishing
  }
  return {
    add(stored) {
      waiting.push(stored)
      timer ??= setTimeout(publishWaiting, PUBLISH_INTERVAL_MS)
    },
    end: publishWaiting,
  }
}

async function publish(job: ExportJob, stored: StoredExport[]): Promise<void> {
  const { db, lease, openRows, storage, exportTtl, log } = job
  const ids = stored.map(({ exportId }) => exportId)
  try {
    const published = await publishArchives(db, lease, stored, exportTtl)
    for (const [place, id] of ids.entries()) {
      log.info({ export: id }, published[place] ? 'export.made' : 'export.dropped')
      openRows.delete(id)
    }
    // The export was canceled or given up, or the lease was lost: the stored archive must not remain.
    const unwanted = stored.filter((_, place) => !published[place])
    await storage.remove(unwanted.map(({ fileName }) => fileName))
  } catch (error) {
    const open = ids.filter((id) => openRows.has(id))
    await reschedule(job, open, error)
  }
}
