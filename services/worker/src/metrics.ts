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
 * The alarms, what is open in the database, and what waits in the queue. No names, no ids. BacklogCounts that took too long are left
 * out, and `lethe_counts_up` says so; the alarms are there all the same.
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
      'How long the oldest deletion is past its date and not erased.',
      alarms.oldestOverdue,
    ),
    gauge('lethe_mails_pending_seconds', 'Age of the oldest unsent mail.', alarms.oldestMail),
    gauge('lethe_queue_up', 'Whether the queue can be reached.', jobs ? 1 : 0),
    { name: 'lethe_queue_jobs', help: 'Jobs in the queue by job and state.', samples: jobs ?? [] },
    gauge(
      'lethe_counts_up',
      `Whether the counts could be made in time; else they are left out. They stop at ${MAX_COUNT}.`,
      counts ? 1 : 0,
    ),
    ...(counts ? countMetrics(counts) : []),
  ]
}

function countMetrics(counts: BacklogCounts): Metric[] {
  return [
    labelled('lethe_deletions', 'Deletions that are not over, by status.', 'status', {
      pending: counts.pendingDeletions,
      erasing: counts.erasingDeletions,
    }),
    labelled('lethe_exports', 'Exports to be made, and those that can be fetched.', 'status', {
      pending: counts.pendingExports,
      ready: counts.readyExports,
    }),
    labelled('lethe_mails', 'Mails that have not left.', 'status', {
      pending: counts.pendingMails,
    }),
    gauge('lethe_deletions_overdue', 'Deletions past their date and not erased.', counts.overdue),
    labelled(
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

function labelled(
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

/** The text format of Prometheus, version 0.0.4. */
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
