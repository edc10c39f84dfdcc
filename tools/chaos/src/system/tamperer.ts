import { randomUUID } from 'node:crypto'
import type { Db } from '@lethe/db'
import { type JobName, jobNames } from '@lethe/queue'
import type { Job, Queue } from 'bullmq'
import { sql } from 'kysely'
import type { QueueClient } from './queue-client.ts'
import type { Random } from './random.ts'

/** How many jobs were changed, by kind. */
export interface Tampering {
  duplicated: number
  removed: number
  delayed: number
  promoted: number
  replayed: number
  /** Jobs with the lease of another row, or of none. */
  misled: number
  /** Changes that BullMQ rejected. */
  refused: number
}

export interface Tamperer {
  done: Tampering
  /** Ids of the jobs that no handler can process. */
  poison: Record<JobName, Set<string>>
  /** Applies every kind of tampering to the waiting jobs, in random order. */
  tamper(name: JobName): Promise<void>
}

/** People and deletions whose date is far away: an early erasure would hit them. */
export interface Victims {
  userIds: number[]
  deletionIds: string[]
}

const DAY = 86_400_000
const SEEN_AT_MOST = 2_000

/** Changes the queues of a system as an intruder, a broken tool or a careless operator could. */
export function createTamperer(
  { queues, redis }: QueueClient,
  db: Db,
  random: Random,
  victims: Victims,
): Tamperer {
  const done: Tampering = {
    ...{ duplicated: 0, removed: 0, delayed: 0, promoted: 0 },
    ...{ replayed: 0, misled: 0, refused: 0 },
  }
  const poison = Object.fromEntries(jobNames.map((name) => [name, new Set()])) as Tamperer['poison']
  const observed: { name: JobName; data: unknown }[] = []
  let made = 0

  const tried = async (what: keyof Tampering, act: () => Promise<unknown>) => {
    try {
      await act()
      done[what]++
    } catch {
      done.refused++
    }
  }
  const waitingIn = async (name: JobName): Promise<Job[]> => {
    const jobs = await queues[name].getWaiting(0, 300)
    // Tampering again with a tampered job shows nothing new.
    const real = jobs.filter(({ id }) => id?.startsWith(`${name}-`))
    for (const { data } of real) if (observed.length < SEEN_AT_MOST) observed.push({ name, data })
    return real
  }
  const seenLease = () => (random.pick(observed).data as { lease: string }).lease
  const again = (queue: Queue, name: string, data: unknown, opts = {}) =>
    queue.add(name, data, { ...opts, jobId: `again-${++made}`, removeOnComplete: true })

  const acts: ((name: JobName, queue: Queue) => Promise<void>)[] = [
    async function duplicate(name, queue) {
      for (const { data } of (await waitingIn(name)).slice(0, 40))
        for (let copy = random.between(1, 4); copy > 0; copy--)
          await tried('duplicated', () => again(queue, name, data))
    },
    async function removeHalf(name) {
      for (const job of await waitingIn(name))
        if (random.chance(0.5)) await tried('removed', () => job.remove())
    },
    async function delay(name, queue) {
      const delays = ['3000', 'soon', null, 0, -5_000, 2_000, 60 * 60_000, 100 * DAY]
      for (const job of (await waitingIn(name)).slice(0, 40)) {
        const delay = random.pick(delays) as number
        await tried('delayed', () => again(queue, name, job.data, { delay }))
        if (random.chance(0.5)) await tried('removed', () => job.remove())
      }
    },
    async function changeDelays(_name, queue) {
      const delays = ['100', null, 0, -1, 100 * DAY]
      for (const job of (await queue.getDelayed(0, 30)).slice(0, 30))
        await tried('delayed', () => job.changeDelay(random.pick(delays) as number))
    },
    async function replay(_name, queue) {
      for (let times = 0; times < 40 && observed.length > 0; times++) {
        const { name, data } = random.pick(observed)
        if (queue === queues[name]) await tried('replayed', () => again(queue, name, data))
      }
    },
    async function mislead(name, queue) {
      const { rows } = await sql<{ lease: string }>`
        select lease from (
          select 'send-mail' as job, lease from public.outbox union all
          select 'export-accounts', lease from public.exports union all
          select 'erase-accounts', lease from public.deletions where status = 'erasing'
        ) as leased where lease is not null and job <> ${name} limit 30`.execute(db)
      // An attacker could know the lease of a row that is not due; it must still not be erased.
      const guessed = await sql<{ lease: string }>`
        update public.deletions set lease = gen_random_uuid()
        where id = any(${victims.deletionIds}::uuid[]) and status = 'pending' returning lease`.execute(
        db,
      )
      const leases = [...rows, ...guessed.rows].map(({ lease }) => lease)
      for (const lease of [...leases, ...victims.deletionIds, randomUUID()])
        await tried('misled', () => again(queue, name, { lease }))
    },
    async function addPoison(name, queue) {
      const lease = seenLease()
      const jobs: [name: string, data: unknown][] = [
        ...payloads(lease, random.pick(victims.userIds)).map((data): [string, unknown] => [
          name,
          data,
        ]),
        ...unknownNames.map((unknown): [string, unknown] => [unknown, { lease }]),
        ...jobNames
          .filter((other) => other !== name)
          .map((other): [string, unknown] => [other, { lease }]),
      ]
      for (const [kind, data] of jobs) {
        const jobId = `poison-${++made}`
        await queue.add(kind, data, { jobId })
        poison[name].add(jobId)
      }
      if (redis) await evict(name)
    },
  ]

  /** Leaves the id in the waiting list without its job, as an evicting Redis does. */
  const evict = async (name: JobName) => {
    const jobId = `poison-${++made}`
    await redis?.lpush(queues[name].toKey('wait'), jobId)
    poison[name].add(jobId)
  }

  return {
    done,
    poison,
    async tamper(name) {
      // The first kind of tampering needs a real payload.
      await waitingIn(name)
      const order = acts.map((act) => ({ act, at: random.next() })).sort((a, b) => a.at - b.at)
      for (const { act } of order) await act(name, queues[name])
      done.promoted += await queues[name].getDelayedCount()
      await queues[name].promoteJobs()
    },
  }
}

const unknownNames = [
  'erase-everything',
  'Erase-Accounts',
  '__proto__',
  'constructor',
  "'; drop table users; --",
  '<script>alert(1)</script>',
]

function payloads(lease: string, userId: number): unknown[] {
  let nested: unknown = { lease }
  for (let depth = 0; depth < 100; depth++) nested = { lease: nested }
  return [
    ...[null, 42, 'erase', [], [lease], {}, nested],
    ...[null, 42, true, userId, String(userId), '', 'none', [lease], { lease }, `${lease} `].map(
      (lease) => ({ lease }),
    ),
    { lease: "' or true; delete from users; --" },
    { lease: '00000000-0000-0000-0000-00000000000g' },
    { lease: 'x'.repeat(1_000_000) },
    { lease, userId },
    { Lease: lease },
  ]
}
