import type { Db } from '@lethe/db'
import { type BacklogCounts, MAX_COUNT, readAlarms, readCounts } from '@lethe/lifecycle'
import { jobNames, type OpenQueue } from '@lethe/queue'

interface Sample {
  labels: Record<string, string>
  value: number
}

export interface Metric {
  name: string
  help: string
  samples: Sample[]
}

/**
 * The alarms, the open rows of the database, and the jobs in the queue; no names, no ids. Counts that took too long are
 * left out, and `lethe_counts_up` is 0; the alarms are always included.
 */
export async function readMetrics(db: Db, queue: OpenQueue | undefined): Promise<Metric[]> {
  const [alarms, counts, jobs] = await Promise.all([
    readAlarms(db),
    readCounts(db),
    readJobs(queue),
  ])
  return [
    gauge(
      'lethe_erasure_stopped',
      'Whether the breaker has tripped: it holds erasures until an operator releases them.',
      alarms.stopped ? 1 : 0,
    ),
    gauge(
      'lethe_deletions_overdue_seconds',
      'How long the oldest open deletion is past its date.',
      alarms.oldestOverdue,
    ),
    gauge('lethe_mails_pending_seconds', 'Age of the oldest unsent mail.', alarms.oldestMail),
    gauge('lethe_queue_up', 'Whether the queue can be reached.', jobs ? 1 : 0),
    { name: 'lethe_queue_jobs', help: 'Jobs in the queue by job and state.', samples: jobs ?? [] },
    gauge(
      'lethe_counts_up',
      `Whether counting finished in time; otherwise the counts are left out. They stop at ${MAX_COUNT}.`,
      counts ? 1 : 0,
    ),
    ...(counts ? countMetrics(counts) : []),
  ]
}

function countMetrics(counts: BacklogCounts): Metric[] {
  return [
    labeled('lethe_deletions', 'Open deletions by status.', 'status', {
      pending: counts.pendingDeletions,
      erasing: counts.erasingDeletions,
    }),
    labeled(
      'lethe_exports',
      'Exports that are pending or can be downloaded, by status.',
      'status',
      {
        pending: counts.pendingExports,
        ready: counts.readyExports,
      },
    ),
    labeled('lethe_mails', 'Unsent mails.', 'status', {
      pending: counts.pendingMails,
    }),
    gauge('lethe_deletions_overdue', 'Deletions past their date and not erased.', counts.overdue),
    labeled(
      'lethe_deletions_at_once',
      'Deletions that the breaker counts: due, or claimed within the hour, and neither held nor released.',
      'accounts',
      { established: counts.establishedAtOnce, new: counts.newAtOnce },
    ),
    gauge('lethe_audit_events_unsealed', 'Audit events not yet in the chain.', counts.unsealed),
  ]
}

async function readJobs(queue: OpenQueue | undefined): Promise<Sample[] | undefined> {
  try {
    const samples = await Promise.all(
      jobNames.map(async (job) => {
        const counts = Object.entries((await queue?.counts(job)) ?? {})
        return counts.map(([state, value]) => ({ labels: { job, state }, value: Number(value) }))
      }),
    )
    return queue && samples.flat()
  } catch {
    return undefined
  }
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, help, samples: [{ labels: {}, value }] }
}

function labeled(
  name: string,
  help: string,
  label: string,
  counts: Record<string, number>,
): Metric {
  const samples = Object.entries(counts).map(([key, value]) => ({
    labels: { [label]: key },
    value,
  }))
  return { name, help, samples }
}

/** Renders the Prometheus text format, version 0.0.4. */
export function metricsText(metrics: Metric[]): string {
  return metrics
    .flatMap(({ name, help, samples }) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} gauge`,
      ...samples.map(({ labels, value }) => `${name}${labelsText(labels)} ${value}`),
    ])
    .join('\n')
    .concat('\n')
}

function labelsText(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}
