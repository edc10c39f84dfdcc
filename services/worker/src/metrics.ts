import { atOnce, isStopped } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { jobNames, type OpenQueue } from '@lethe/jobs'
import { sql } from 'kysely'

interface Sample {
  labels: Record<string, string>
  value: number
}

export interface Metric {
  name: string
  help: string
  samples: Sample[]
}

interface Facts {
  pendingDeletions: number
  erasingDeletions: number
  pendingExports: number
  readyExports: number
  pendingMails: number
  overdue: number
  oldestOverdue: number
  atOnce: number
  stopped: boolean
  oldestMail: number
  unsealed: number
}

/** What is open in the database, by one statement, and what waits in the queue. No names, no ids. */
export async function readMetrics(db: Db, queue: OpenQueue | undefined): Promise<Metric[]> {
  const [facts, jobs] = await Promise.all([readFacts(db), readJobs(queue)])
  const gauge = (name: string, help: string, value: number): Metric => {
    return { name, help, samples: [{ labels: {}, value }] }
  }
  return [
    byStatus('lethe_deletions', 'Deletions that are not over, by status.', {
      pending: facts.pendingDeletions,
      erasing: facts.erasingDeletions,
    }),
    byStatus('lethe_exports', 'Exports to be made, and those that can be fetched.', {
      pending: facts.pendingExports,
      ready: facts.readyExports,
    }),
    byStatus('lethe_mails', 'Mails that have not left.', { pending: facts.pendingMails }),
    gauge('lethe_deletions_overdue', 'Deletions past their date and not erased.', facts.overdue),
    gauge(
      'lethe_deletions_overdue_seconds',
      'How long the oldest of them is past its date.',
      facts.oldestOverdue,
    ),
    gauge(
      'lethe_deletions_at_once',
      'Deletions that the breaker counts: due, or claimed within the hour, and not released.',
      facts.atOnce,
    ),
    gauge(
      'lethe_erasure_stopped',
      'Whether the breaker has tripped: nothing is claimed until it is released.',
      facts.stopped ? 1 : 0,
    ),
    gauge('lethe_mails_pending_seconds', 'Age of the oldest unsent mail.', facts.oldestMail),
    gauge('lethe_audit_events_unsealed', 'Audit events not yet in the chain.', facts.unsealed),
    gauge('lethe_queue_up', 'Whether the queue can be reached.', jobs ? 1 : 0),
    { name: 'lethe_queue_jobs', help: 'Jobs in the queue by job and state.', samples: jobs ?? [] },
  ]
}

const PATIENCE_MS = 2_000

/** Each subquery asks what a partial index holds: what is over only grows, and is asked by nobody so often. */
async function readFacts(db: Db): Promise<Facts> {
  return db
    .transaction()
    .setAccessMode('read only')
    .execute(async (tx) => {
      await sql`set local statement_timeout = ${sql.lit(PATIENCE_MS)}`.execute(tx)
      const { rows } = await sql<Facts>`
        select
          (select count(*) from public.deletions where status = 'pending') as "pendingDeletions",
          (select count(*) from public.deletions where status = 'erasing') as "erasingDeletions",
          (select count(*) from public.exports where status = 'pending') as "pendingExports",
          (select count(*) from public.exports where status = 'ready') as "readyExports",
          (select count(*) from public.outbox where status = 'pending') as "pendingMails",
          (select count(*) from public.deletions
            where status in ('pending', 'erasing') and erase_after <= now()) as overdue,
          (select coalesce(greatest(extract(epoch from now() - min(erase_after)), 0), 0)::float8
            from public.deletions where status in ('pending', 'erasing')) as "oldestOverdue",
          ${atOnce} as "atOnce",
          ${isStopped} as stopped,
          (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8
            from public.outbox where status = 'pending') as "oldestMail",
          (select count(*) from public.audit_events where position is null) as unsealed`.execute(tx)
      return rows[0] as Facts
    })
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

function byStatus(name: string, help: string, counts: Record<string, number>): Metric {
  const samples = Object.entries(counts).map(([status, value]) => ({ labels: { status }, value }))
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
