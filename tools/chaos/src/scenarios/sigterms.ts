import { setTimeout as wait } from 'node:timers/promises'
import { until } from '@lethe/machine-speed'
import { jobNames, openQueue } from '@lethe/queue'
import {
  heldWhenAsked,
  isAtWork,
  needlessCopies,
  takeoversAfter,
  waitsAfterGivingBack,
} from '../history/takeovers.ts'
import {
  claim,
  numberOn,
  onBoth,
  type Played,
  type Queue,
  type Scenario,
  type ScenarioContext,
} from '../scenario.ts'
import { createClient } from '../system/client.ts'
import type { Environment, Running } from '../system/environment.ts'
import { type Fleet, type Stopped, startFleet } from '../system/fleet.ts'
import { sendOverKept } from '../system/kept-connections.ts'
import { counting, loadApi, type Tally } from '../system/load.ts'
import type { Verdict } from '../system/mail-sink.ts'
import type { Random } from '../system/random.ts'
import { watchStalledJobs } from '../system/stalled-jobs.ts'
import { streamOfPeople } from '../system/stream.ts'

const ENDS_WITHIN_MS = 10_000
/** How long before a 503 the load that caused it may have begun. */
const BUSY_BEFORE_MS = 10_000
/** On PostgreSQL a worker that missed a notification polls for jobs every five seconds. */
const RETRIED_WITHIN_MS: Record<Queue, number> = { redis: 5_000, postgres: 10_000 }

/** On PostgreSQL only workers are stopped, because the API does not use the queue. */
export const sigterms: Scenario = {
  name: 'sigterms',
  claim:
    'SIGTERM under load: a process ends within 10 s, leaves no job behind, and fails no request',
  queues: onBoth,
  play,
}

async function play(context: ScenarioContext): Promise<Played> {
  const { full, openEnvironment, random, queue } = context
  const environment = await openEnvironment({ gracePeriod: 'PT2S' })
  const gate = mailGate(environment, random)
  await environment.bystanders(20)
  const [api, fleet] = await Promise.all([environment.startApi(), startFleet(environment, 2)])
  const stalled = await watchStalledJobs(environment)
  const stop = new AbortController()
  const tally: Tally = { answered: 0, refused: 0, failures: [] }
  const client = createClient(
    environment.apiUrl,
    environment.recorder,
    counting(tally, 'person', sendOverKept(8)),
  )
  const stream = streamOfPeople(environment, { open: full ? 15 : 8, client }, stop.signal)
  const load = queue === 'redis' ? loadApi(environment, random, tally, stop.signal) : undefined
  for (const each of [stream, load]) each?.catch(() => {})

  const [workers, apis] = await Promise.all([
    stopWorkers(context, environment, fleet, gate),
    queue === 'redis' ? stopApis(context, environment, api) : [],
  ])
  stop.abort()
  const [people] = await Promise.all([stream, load])
  await environment.settle(60)
  const checked = await environment.check({ bound: 60 })
  claim(stalled.count() === 0, `${stalled.count()} jobs stalled`)
  await stalled.close()
  await claimRequestsAnswered(environment, tally, apis)
  const released = await claimNothingLeft(environment, workers)
  const slowest = Math.max(...[...workers, ...apis].map(({ seconds }) => seconds)).toFixed(1)
  const requests = `${tally.answered.toLocaleString('en')} requests answered, ${tally.refused} connections refused between two APIs`
  return {
    summary: `SIGTERM to ${workers.length} workers and ${apis.length} APIs over ${people} deletions: all ended with 0, the slowest after ${slowest} s; ${released}; ${requests}, none failed`,
    checked,
  }
}

type Round = 'one' | 'both' | 'one that waits for its mail server'

interface StoppedWorker extends Stopped {
  round: Round
}

async function stopWorkers(
  { full, queue, random, print }: ScenarioContext,
  environment: Environment,
  fleet: Fleet,
  gate: MailGate,
): Promise<StoppedWorker[]> {
  const rounds: Round[] = full
    ? Array.from({ length: numberOn(queue, 42) }, (_, n) =>
        n % 5 === 1 ? 'both' : n % 10 === 3 ? hangs : 'one',
      )
    : ['one', 'both']
  const stopped: StoppedWorker[] = []
  for (const round of rounds) {
    await fleet.waitUntilRunning()
    await wait(random.between(100, 700))
    if (round === hangs) await gate.hold()
    await until('work to interrupt', () => isAtWork(environment.db, fleet.next()))
    const some = await fleet.stop(round === 'both' ? 2 : 1)
    gate.release()
    stopped.push(...some.map((one) => ({ ...one, round })))
    if (round === 'both') await claimNoneActive(environment)
    fleet.refill()
    if (stopped.length % 10 === 0) print(`${stopped.length} workers stopped`)
  }
  await fleet.waitUntilRunning()
  return stopped
}

const hangs = 'one that waits for its mail server'

interface MailGate {
  /** Mails hang from now on; resolves when at least six do. */
  hold(): Promise<void>
  release(): void
}

/** A mail server that is slow, and sometimes hangs until released. */
function mailGate({ sink }: Environment, random: Random): MailGate {
  let open = Promise.withResolvers<void>()
  open.resolve()
  let held = 0
  sink.respond(async ({ at }): Promise<Verdict> => {
    if (at === 'RCPT') return 'accepted'
    held++
    await Promise.all([open.promise, wait(random.between(10, 250))])
    held--
    return 'accepted'
  })
  return {
    async hold() {
      open = Promise.withResolvers()
      await until('mails that hang', () => held >= 6)
    },
    release: () => open.resolve(),
  }
}

/** No worker runs here, so an active job was left behind. */
async function claimNoneActive({ databaseUrl, redis }: Environment): Promise<void> {
  const queue = await openQueue({ databaseUrl, redisUrl: redis?.url })
  const counts = await Promise.all(jobNames.map((name) => queue.counts(name)))
  await queue.close()
  const active = counts.reduce((sum, each) => sum + each.active, 0)
  claim(active === 0, `${active} jobs are active although no worker runs`)
}

async function stopApis(
  { full, random, print }: ScenarioContext,
  environment: Environment,
  first: Running,
): Promise<Stopped[]> {
  const stopped: Stopped[] = []
  let api = first
  for (let n = 1; n <= (full ? 50 : 1); n++) {
    await wait(random.between(300, 900))
    const asked = new Date()
    const began = performance.now()
    await api.stop()
    const seconds = (performance.now() - began) / 1_000
    stopped.push({ worker: `API ${n}`, asked, at: new Date(), code: await api.ended, seconds })
    api = await environment.startApi()
    if (n % 10 === 0) print(`${n} APIs stopped`)
  }
  return stopped
}

async function claimRequestsAnswered(
  environment: Environment,
  { answered, failures }: Tally,
  apis: Stopped[],
): Promise<void> {
  for (const { worker, code, seconds, asked, at } of apis) {
    claim(code === 0, `${worker} ended with ${code} after ${seconds} s`)
    await environment.claimWithin(`the end of ${worker}`, seconds * 1_000, ENDS_WITHIN_MS, {
      begin: environment.mark(asked),
      end: environment.mark(at),
    })
  }
  const whileStopping = (at: Date) => apis.some((api) => api.asked <= at && at <= api.at)
  const failed = failures.filter(({ at, status }) => status === undefined || whileStopping(at))
  const lines = failed.map(({ at, who, what }) => `${at.toISOString()} ${who}: ${what}`)
  const sentence = `${failed.length} of ${answered} requests failed:\n${lines.join('\n')}`
  // On a busy machine the database is overloaded (503), and a client may write after the API has waited for it.
  const times = failed.map(({ at }) => environment.mark(at))
  const span = { begin: Math.min(...times) - BUSY_BEFORE_MS, end: Math.max(...times) }
  await environment.claimUnlessSlow(failed.length === 0, sentence, span)
}

async function claimNothingLeft(
  environment: Environment,
  workers: StoppedWorker[],
): Promise<string> {
  const { db, queue } = environment
  for (const { worker, round, code, seconds, asked, at } of workers) {
    claim(code === 0, `${worker} (${round}) ended with ${code} after ${seconds} s`)
    const span = { begin: environment.mark(asked), end: environment.mark(at) }
    await environment.claimWithin(
      `the end of ${worker} (${round})`,
      seconds * 1_000,
      ENDS_WITHIN_MS,
      span,
    )
  }
  const left = await takeoversAfter(db, workers)
  for (const row of left) {
    const { asked, at } = workers.find(({ worker }) => worker === row.worker) as StoppedWorker
    const span = { begin: environment.mark(asked), end: environment.mark(at) }
    await environment.claimUnlessSlow(false, `a row was left leased: ${JSON.stringify(row)}`, span)
  }
  const busy = await heldWhenAsked(db, workers)
  claim(busy.length > workers.length / 4, `only ${busy.length} workers were at work when stopped`)
  const cut = workers.filter(({ round }) => round === hangs)
  const copied = await needlessCopies(db, cut)
  claim(copied.length === 0, copied.join('\n'))
  // When both workers stop, released rows wait for the start of the next one.
  const followed = workers.filter(({ round }) => round !== 'both')
  const waits = await waitsAfterGivingBack(db, followed)
  let longest = 0
  for (const { from, seconds } of waits) {
    const ms = seconds === null ? Number.POSITIVE_INFINITY : seconds * 1_000
    const begin = environment.mark(from)
    const span = { begin, end: Math.min(begin + ms, environment.mark()) }
    await environment.claimWithin(
      'the next try of released work',
      ms,
      RETRIED_WITHIN_MS[queue],
      span,
    )
    longest = Math.max(longest, ms / 1_000)
  }
  return `${busy.length} of the workers held rows, of which ${waits.length} were given back and taken within ${longest.toFixed(1)} s`
}
