import { readdir, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { freePort } from '@lethe/dev-env'
import { deletionToken } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { jobNames } from '@lethe/queue'
import { sql } from 'kysely'
import {
  addUp,
  claim,
  numberOn,
  onBoth,
  type Played,
  type Scenario,
  type ScenarioContext,
} from '../scenario.ts'
import { type Client, createClient, requestDeletion, retryUnavailable } from '../system/client.ts'
import type { Environment, Running } from '../system/environment.ts'
import { fakeClock } from '../system/fake-clock.ts'
import type { TestPerson } from '../system/people.ts'
import { openQueueClient, type QueueClient } from '../system/queue-client.ts'
import { createTamperer, type Tamperer } from '../system/tamperer.ts'
import { fetchEverywhere, showTokensEverywhere } from './tokens-everywhere.ts'

/** Every service in this scenario has a wrong clock. */
export const clocksAndTampering: Scenario = {
  name: 'clocks-and-tampering',
  claim: 'clocks that are wrong by weeks and tampered queues cause no early erasure and no delay',
  queues: onBoth,
  play,
}

const offsets = ['+40d', '-40d', '+1h', '-1h']
const SOON = 'PT4S'
const BOUND_SECONDS = 75
/** How many mails one worker sends at once: the server may have accepted all of them, unrecorded, when it is killed. */
const MAILS_AT_ONCE = 10

async function play(context: ScenarioContext): Promise<Played> {
  const { full, openEnvironment, queue, random, print } = context
  const [rounds, people, far] = full ? [numberOn(queue, 4), 60, 60] : [1, 30, 8]
  const environment = await openEnvironment()
  await environment.bystanders(10)
  const [apis, farApis, behind] = await Promise.all([
    Promise.all((full ? offsets : ['+40d']).map((one) => startApi(environment, one, SOON))),
    Promise.all(
      (full ? ['+40d', '-40d'] : ['-40d']).map((one) => startApi(environment, one, 'P27D')),
    ),
    startWorker(environment, '-40d'),
  ])
  const wrong = (await fakeClock({ offset: '+40d' })) !== undefined
  if (!wrong) print('faketime is not installed: every clock is right')

  const victims = await requestDistantDeletions(environment, farApis, far)
  const kept = await startWorkerOverYoungArchives(environment, apis, context)
  const shown = await showTokensEverywhere(environment, [...apis, ...farApis])
  const workers = [behind, kept.ahead]
  if (full) workers.push(await startWorker(environment, '+1h'), await startWandering(environment))

  const client = await openQueueClient(environment)
  try {
    const tamperer = createTamperer(client, environment.db, random, {
      userIds: victims.map(({ person }) => person.id),
      deletionIds: victims.map(({ deletionId }) => deletionId),
    })
    let kills = 0
    for (let round = 1; round <= rounds; round++) {
      await tamperWith(environment, apis, people, tamperer, client)
      if (full && round % 2 === 0)
        await replaceOne(environment, workers, offsets[kills++] ?? '+40d')
      if (full) await wander(environment, random.pick(['+40d', '-40d', '+1h', '-1h', '+0']))
      print(`round ${round} of ${rounds}: ${JSON.stringify(tamperer.done)}`)
    }
    const partsBack = new Date()
    if (!full) await skipDispatchLeases(environment)
    await environment.settle(180)
    await claimVictimsUntouched(environment, victims)
    const poison = await claimPoisonFailed(tamperer, client, workers.at(-1))
    await cancelSome(environment, [...farApis, ...apis], victims)
    await environment.settle(60)
    const fetched = await fetchEverywhere(environment, [...apis, ...farApis])
    const checked = addUp([await environment.check({ partsBack, bound: BOUND_SECONDS })])
    const copies = copiesOf(environment)
    claim(copies <= kills * MAILS_AT_ONCE, `${copies} mails were taken twice, after ${kills} kills`)
    const { done } = tamperer
    const touched = Object.entries(done).map(([what, jobs]) => `${jobs} ${what}`)
    return {
      summary: `${wrong ? `clocks off by ${(full ? offsets : offsets.slice(0, 2)).join(', ')}` : 'clocks right, without faketime'}: ${shown} uses of sessions and tokens and ${fetched} downloads at APIs of other clocks, ${kept.count} archives in the making looked 40 days old, ${victims.length} deletions weeks from their date stayed so; jobs ${touched.join(', ')}, ${poison} of poison in the failed sets; ${copies} mails taken twice, after ${kills} kills`,
      checked,
    }
  } finally {
    await client.close()
  }
}

interface Victim {
  person: TestPerson
  deletionId: string
}

interface Api extends Running {
  client: Client
}

async function startApi(
  environment: Environment,
  offset: string,
  gracePeriod: string,
): Promise<Api> {
  const env = { PORT: String(await freePort()), GRACE_PERIOD: gracePeriod }
  const running = await environment.startApi({ ...env, ...(await fakeClock({ offset })) })
  return { ...running, client: createClient(running.url, environment.recorder) }
}

async function startWorker(environment: Environment, offset: string): Promise<Running> {
  return environment.startWorker(await fakeClock({ offset }))
}

const clockFile = (environment: Environment) =>
  path.join(path.dirname(environment.exportDir), 'clock')

/** Starts a worker whose clock is changed again and again. */
async function startWandering(environment: Environment): Promise<Running> {
  await wander(environment, '+0')
  return environment.startWorker(await fakeClock({ file: clockFile(environment) }))
}

async function wander(environment: Environment, offset: string): Promise<void> {
  await writeFile(`${clockFile(environment)}.new`, offset)
  await rename(`${clockFile(environment)}.new`, clockFile(environment))
}

async function deleteAll(apis: Api[], people: TestPerson[]): Promise<void> {
  await Promise.all(
    people.map((person, n) => requestDeletion((apis[n % apis.length] as Api).client, person)),
  )
}

/** Requests deletions weeks ahead: to a clock forty days ahead their date has passed. */
async function requestDistantDeletions(
  environment: Environment,
  apis: Api[],
  count: number,
): Promise<Victim[]> {
  const people = await environment.people(count)
  await deleteAll(apis, people)
  const deletions = await environment.db
    .selectFrom('deletions')
    .select(['id as deletionId', 'user_id as userId'])
    .execute()
  return people.flatMap((person) => {
    const { deletionId } = deletions.find(({ userId }) => userId === person.id) ?? {}
    return deletionId ? [{ person, deletionId }] : []
  })
}

/**
 * Complete archives whose rows are not yet updated look old to a worker with a clock ahead. A lock holds them in that
 * state while such a worker starts, because it looks for orphaned archives then.
 */
async function startWorkerOverYoungArchives(
  environment: Environment,
  apis: Api[],
  { full }: ScenarioContext,
) {
  const { db, exportDir } = environment
  await sql`create function public.wait_for_door() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock_shared(1); return new; end $$`.execute(db)
  await sql`create trigger wait_for_door after update on public.exports for each row
    when (new.status = 'ready') execute function public.wait_for_door()`.execute(db)
  const young = async () => {
    const names = await readdir(exportDir).catch((): string[] => [])
    return names.filter((name) => name.endsWith('.zip.age')).length
  }
  const { toDatabase, env } = await environment.openWorkerLinks()
  let sweeps = 0
  toDatabase.intercept((message) => {
    if (message.includes('look for work')) sweeps++
    return 'pass'
  })
  const kept = await db.connection().execute(async (lock) => {
    await sql`select pg_advisory_lock(1)`.execute(lock)
    const people = await environment.people(full ? 20 : 4)
    await deleteAll(apis, people)
    await until('whole archives', young)
    const ahead = await environment.startWorker({
      ...env('ahead'),
      ...(await fakeClock({ offset: '+40d' })),
    })
    // The worker sweeps once a second and looks for orphaned archives in the first sweep.
    await until('the worker has swept', () => sweeps >= 3)
    const count = await young()
    await sql`select pg_advisory_unlock(1)`.execute(lock)
    return { ahead, count }
  })
  claim(kept.count > 0, 'the archives in the making are gone')
  await sql`drop trigger wait_for_door on public.exports`.execute(db)
  return kept
}

/** Pauses the queues so that the jobs of new people wait there, tampers with them, and resumes. */
async function tamperWith(
  environment: Environment,
  apis: Api[],
  count: number,
  tamperer: Tamperer,
  { queues }: QueueClient,
): Promise<void> {
  await Promise.all(jobNames.map((name) => queues[name].pause()))
  const people = await environment.people(count)
  await deleteAll(apis, people)
  // An erasure job is queued only after the export.
  for (const names of [['send-mail', 'export-accounts'], ['erase-accounts']] as const) {
    for (const name of names) {
      await until(`jobs wait in ${name}`, async () => (await queues[name].getWaiting(0, 0))[0])
      await tamperer.tamper(name)
    }
    for (const name of names) await queues[name].resume()
  }
}

/** Kills (-9) the oldest worker, whatever it is doing, and starts one with another clock. */
async function replaceOne(
  environment: Environment,
  workers: Running[],
  offset: string,
): Promise<void> {
  await workers.shift()?.kill()
  workers.push(await startWorker(environment, offset))
}

/**
 * A dispatched row whose job was removed becomes free soon. A working worker keeps more than these five seconds on its
 * lease.
 */
async function skipDispatchLeases({ db }: Environment): Promise<void> {
  for (const table of ['outbox', 'exports', 'deletions'])
    await sql`update ${sql.table(`public.${table}`)} set next_attempt_at = now()
      where lease is not null and next_attempt_at between now() and now() + interval '5 seconds'`.execute(
      db,
    )
}

async function claimVictimsUntouched({ db }: Environment, victims: Victim[]): Promise<void> {
  const { rows } = await sql<{ touched: number }>`
    select count(*) as touched from public.deletions where id = any(${victims.map((one) => one.deletionId)}::uuid[])
      and not (status = 'pending' and attempts = 0 and erase_after > now() + interval '26 days')`.execute(
    db,
  )
  claim(rows[0]?.touched === 0, `${rows[0]?.touched} deletions weeks from their date were touched`)
}

/** Checks that the failed sets hold exactly the poison jobs, and that both pages of the worker show them. */
async function claimPoisonFailed(
  { poison }: Tamperer,
  { queues }: QueueClient,
  worker: Running | undefined,
): Promise<number> {
  let count = 0
  for (const name of jobNames) {
    const failed = await until(`the poison of ${name} is set aside`, async () => {
      const jobs = await queues[name].getFailed()
      return jobs.length >= poison[name].size ? jobs : undefined
    })
    const wrong = failed.find(({ id = '' }) => !poison[name].has(id))
    claim(!wrong, `job ${wrong?.id} was set aside although it made sense: ${wrong?.failedReason}`)
    count += failed.length
  }
  const [queuePage, metrics] = await Promise.all(
    ['/queue', '/metrics'].map(async (page) => (await fetch(`${worker?.url}${page}`)).text()),
  )
  const shown = queuePage?.match(/<td>poison-\d+<\/td>/g)?.length ?? 0
  claim(shown === Math.min(50, count), `/queue shows ${shown} jobs set aside`)
  claim(!queuePage?.includes('<script'), 'the name of a job became a script on /queue')
  const counted = metrics?.match(/^lethe_queue_jobs\{.*state="failed"\} \d+/gm) ?? []
  const sum = counted.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  claim(sum === count, `/metrics counts ${sum} jobs set aside instead of ${count}`)
  return count
}

function copiesOf({ sink }: Environment): number {
  const taken = sink.offers.filter(({ verdict }) => verdict === 'accepted')
  return taken.length - new Set(taken.map(({ messageId }) => messageId)).size
}

/** Cancels half of the deletions that the tampering aimed at; those accounts must be restored. */
async function cancelSome(
  { db, keys }: Environment,
  apis: Api[],
  victims: Victim[],
): Promise<void> {
  const half = victims.slice(0, victims.length / 2)
  const { rows } = await sql<{ id: string; nonce: Buffer }>`
    select id, token_nonce as nonce from public.deletions where id = any(${half.map((one) => one.deletionId)}::uuid[])`.execute(
    db,
  )
  const tokens = new Map(rows.map(({ id, nonce }) => [id, deletionToken(keys, nonce)]))
  const replies = await Promise.all(
    half.map(({ person, deletionId: id }, n) => {
      const { client } = apis[n % apis.length] as Api
      return retryUnavailable(() => client.cancel(person, id, tokens.get(id) ?? ''))
    }),
  )
  const refused = replies.find(({ status }) => status !== 200)
  claim(!refused, `a cancel was answered with ${refused?.status ?? refused?.failure}`)
}
