import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { connect, type Db } from '@lethe/db'
import {
  compileCache,
  findRedisServer,
  freePort,
  makeTestFolder,
  type RedisProcess,
  type Service,
  startRedis,
  startServices,
} from '@lethe/dev-env'
import { deriveKeys, type Keys } from '@lethe/lifecycle'
import { formatTimed, judge, type Stopwatch, startStopwatch, until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { type Checked, type Recorder, startRecorder } from '../history/recorder.ts'
import { type Client, createClient } from './client.ts'
import { type MailSink, startMailSink } from './mail-sink.ts'
import { makePeople, type TestPerson } from './people.ts'
import { type FaultProxy, startFaultProxy } from './proxy.ts'

export type Queue = 'redis' | 'postgres'

export interface EnvironmentOptions {
  queue: Queue
  /** URL of a PostgreSQL server with `lethe_template` and `track_commit_timestamp`. */
  server: string
  gracePeriod?: string
  /** Connects the services without proxies, which cost a fifth of a CPU core, where no fault on a link is needed. */
  direct?: boolean
  /** More environment variables for both services. */
  env?: Record<string, string>
}

export interface Running extends Service {
  url: string
  kill(): Promise<void>
}

/** The links of one worker to the database and the mail server. */
export interface WorkerLinks {
  toDatabase: FaultProxy
  toMail: FaultProxy
  /** For `startWorker`. The record shows this worker's changes under this name. */
  env(name: string): Record<string, string>
}

/** When a claim was measured: two values of `mark`. */
export interface Span {
  begin: number
  end: number
}

/** A whole system: both services as processes, a database of its own and a mail server, each behind a proxy. */
export interface Environment {
  queue: Queue
  db: Db
  /** Connects to the database without a proxy. */
  databaseUrl: string
  keys: Keys
  sink: MailSink
  /** Undefined when the queue is in PostgreSQL. */
  redis: RedisProcess | undefined
  /** Proxies between the services and what they use; the API and the workers have separate links to PostgreSQL. */
  links: {
    apiToDatabase: FaultProxy
    workerToDatabase: FaultProxy
    toRedis: FaultProxy | undefined
    toMail: FaultProxy
  }
  recorder: Recorder
  apiUrl: string
  client: Client
  uploadDir: string
  exportDir: string
  /** Every log line of the services. */
  lines: string[]
  /** Starts the API that `client` uses; a PORT starts another one beside it. */
  startApi(env?: Record<string, string>): Promise<Running>
  startWorker(env?: Record<string, string>): Promise<Running>
  /** Opens links for one worker alone. */
  openWorkerLinks(): Promise<WorkerLinks>
  /** Creates people with sessions, saved passwords and pictures, and records their state. */
  people(count: number, wish?: Parameters<typeof makePeople>[3]): Promise<TestPerson[]>
  /** The same for people to whom nothing may happen. */
  bystanders(count: number): Promise<void>
  /** Waits until no mail, no export and no due deletion is left and the chain is sealed. */
  settle(seconds: number): Promise<void>
  /** Describes the work that is left, for error messages. */
  left(): Promise<string>
  /** Checks every invariant; `bound` is in seconds, as in I4. */
  check(rest: { partsBack?: Date; bound: number }): Promise<Checked>
  /** A time on the stopwatch of this environment, for the begin or end of a `Span`. */
  mark(at?: Date): number
  /**
   * Throws when `ms` exceeds the bound, unless the machine was slow enough during `span` to explain it: then the claim joins
   * `unjudged`. Without a span, the slowest stretch of the whole run counts.
   */
  claimWithin(what: string, ms: number, boundMs: number, span?: Span): Promise<void>
  /** The same for a condition. The machine counts as slow from twice the reference time on, over ten seconds of the span. */
  claimUnlessSlow(condition: boolean, otherwise: string, span?: Span): Promise<void>
  /** Claims that this machine was too slow to judge, one sentence each. */
  unjudged: string[]
  close(): Promise<void>
}

export async function openEnvironment(options: EnvironmentOptions): Promise<Environment> {
  const { queue, server, gracePeriod = 'PT3S' } = options
  const stops: (() => unknown)[] = []
  const machine = startStopwatch()
  stops.push(machine.stop)
  const unjudged: string[] = []
  const folder = await makeTestFolder('lethe-chaos-')
  stops.push(() => rm(folder, { recursive: true, force: true }))
  const { db, url } = await makeDatabase(server, stops)
  const sink = await startMailSink()
  stops.push(sink.close)
  const redis = queue === 'redis' ? await startOwnRedis(folder) : undefined
  if (redis) stops.push(redis.kill)
  const links = {
    apiToDatabase: await startFaultProxy(url, 'postgres'),
    workerToDatabase: await startFaultProxy(url, 'postgres'),
    toRedis: redis && (await startFaultProxy(redis.url, 'redis')),
    toMail: await startFaultProxy(sink.url, 'smtp'),
  }
  for (const link of Object.values(links)) if (link) stops.push(link.close)
  const [uploadDir, exportDir] = [path.join(folder, 'uploads'), path.join(folder, 'exports')]
  await mkdir(uploadDir, { mode: 0o700 })
  const secret = randomBytes(32)
  const keys = deriveKeys(secret)
  const recorder = await startRecorder({ db, keys, uploadDir, exportDir, offers: sink.offers })

  const lines: string[] = []
  const apiPort = await freePort()
  const api = `http://127.0.0.1:${apiPort}`
  const through = (link: FaultProxy, to: string) => (options.direct ? to : link.through(to))
  const shared = {
    PATH: process.env.PATH ?? '',
    NODE_COMPILE_CACHE: compileCache,
    ...(links.toRedis && redis && { REDIS_URL: through(links.toRedis, redis.url) }),
    SMTP_URL: through(links.toMail, sink.url),
    SECRET_KEY: secret.toString('base64url'),
    PUBLIC_URL: api,
    EXPORT_DIR: exportDir,
    UPLOAD_DIR: uploadDir,
    GRACE_PERIOD: gracePeriod,
    RATE_LIMITS: 'off',
    // All people of a run may be due at once.
    ERASE_AT_ONCE_SHARE: '1',
    ...options.env,
  }
  const start = async (name: 'api' | 'worker', at: string, env: Record<string, string>) => {
    const [service] = await startServices([
      { name, url: at, env: { ...shared, ...env }, onLine: (line) => void lines.push(line) },
    ])
    if (!service) throw new Error(`the ${name} was not started`)
    stops.push(service.stop)
    const kill = async () => {
      process.kill(service.pid, 'SIGKILL')
      await service.ended
    }
    return { ...service, url: at, kill }
  }
  const people: Environment['people'] = async (count, wish) => {
    const made = await makePeople(db, uploadDir, count, wish)
    await recorder.remember(made)
    return made
  }

  return {
    ...{ queue, db, databaseUrl: url, keys, sink, redis, links, recorder },
    ...{ uploadDir, exportDir, lines, people },
    ...{ apiUrl: api, client: createClient(api, recorder) },
    startApi: (env = {}) => {
      const { PORT = String(apiPort) } = env
      const own = { DATABASE_URL: through(links.apiToDatabase, url), PORT }
      return start('api', `http://127.0.0.1:${PORT}`, { ...own, ...env })
    },
    async startWorker(env = {}) {
      const port = await freePort()
      const own = {
        DATABASE_URL: through(links.workerToDatabase, url),
        WORKER_PORT: String(port),
      }
      return start('worker', `http://127.0.0.1:${port}`, { ...own, ...env })
    },
    async openWorkerLinks() {
      const toDatabase = await startFaultProxy(url, 'postgres')
      const toMail = await startFaultProxy(sink.url, 'smtp')
      stops.push(toDatabase.close, toMail.close)
      const env = (name: string) => ({
        DATABASE_URL: toDatabase.through(`${url}?application_name=${name}`),
        SMTP_URL: toMail.through(sink.url),
      })
      return { toDatabase, toMail, env }
    },
    async bystanders(count) {
      await recorder.remember(await makePeople(db, uploadDir, count), true)
    },
    async settle(seconds) {
      await until('the end of all work', () => isSettled(db), seconds * 1_000).catch(
        async (error) => {
          throw new Error(`${error.message}; left: ${await whatIsLeft(db)}`)
        },
      )
    },
    left: () => whatIsLeft(db),
    async check({ partsBack, bound }) {
      const slower = machine.slowestOver(bound * 1_000)
      const checked = await recorder.check({ partsBack, bound, slower })
      unjudged.push(...checked.unjudged)
      return checked
    },
    mark: (at = new Date()) => machine.ms() - (Date.now() - at.getTime()),
    async claimWithin(what, ms, boundMs, span) {
      if (ms <= boundMs) return
      // A stall at the end of the span shows in the next sample only.
      await machine.sample()
      const slower = span
        ? machine.slownessBetween(span.begin, span.end)
        : machine.slowestOver(boundMs)
      const timed = { ms, boundMs, slower }
      const verdict = judge(timed)
      if (verdict === 'broken') throw new Error(`${what} took ${formatTimed(timed)}`)
      if (verdict === 'cannot be judged') unjudged.push(`${what} took ${formatTimed(timed)}`)
    },
    async claimUnlessSlow(condition, otherwise, span) {
      if (condition) return
      await machine.sample()
      const slower = span ? slowestWithin(machine, span) : machine.slowestOver(SLOW_STRETCH_MS)
      if (slower < SLOW) throw new Error(otherwise)
      unjudged.push(`${otherwise}, on a machine ${slower.toFixed(1)} times slower`)
    },
    unjudged,
    async close() {
      for (const stop of stops.reverse()) await stop()
    },
  }
}

const SLOW = 2
const SLOW_STRETCH_MS = 10_000
const STRETCH_STEP_MS = 1_000

/** The slowness over the slowest ten seconds of the span, or over all of a shorter one. */
function slowestWithin(machine: Stopwatch, { begin, end }: Span): number {
  let slowest = machine.slownessBetween(begin, Math.min(end, begin + SLOW_STRETCH_MS))
  for (let to = begin + SLOW_STRETCH_MS + STRETCH_STEP_MS; to <= end; to += STRETCH_STEP_MS)
    slowest = Math.max(slowest, machine.slownessBetween(to - SLOW_STRETCH_MS, to))
  return slowest
}

async function startOwnRedis(folder: string): Promise<RedisProcess> {
  const program = await findRedisServer()
  if (!program) throw new Error('There is no redis-server or valkey-server on PATH.')
  return startRedis({ program, folder })
}

async function makeDatabase(server: string, stops: (() => unknown)[]) {
  const name = `chaos_${randomBytes(6).toString('hex')}`
  // The services must answer soon on a busy machine; these connections of the scenario need not.
  const timeoutMs = 120_000
  const admin = connect(server, { max: 1, timeoutMs })
  // Copying files takes a quarter of the time that copying through the log takes.
  await sql`create database ${sql.id(name)} template lethe_template strategy file_copy`.execute(
    admin,
  )
  const url = new URL(server)
  url.pathname = name
  const db = connect(url.href, { max: 6, timeoutMs })
  stops.push(async () => {
    await db.destroy()
    await sql`drop database ${sql.id(name)} with (force)`.execute(admin)
    await admin.destroy()
  })
  return { db, url: url.href }
}

/** Returns the open rows by kind, with the highest number of attempts and the time of the last next try. */
async function whatIsLeft(db: Db): Promise<string> {
  const { rows } = await sql<{ left: string }>`
    with open as (
      select 'mails' as what, attempts, next_attempt_at from public.outbox where status = 'pending'
      union all select 'exports', attempts, next_attempt_at from public.exports where status = 'pending'
      union all select 'deletions', attempts, next_attempt_at from public.deletions
        where status = 'erasing' or status = 'pending' and erase_after <= now() + interval '10 seconds'
    )
    select format('%s %s (tried up to %s times, the last again in %s s)', count(*), what, max(attempts),
      extract(epoch from max(next_attempt_at) - now())::int) as left
    from open group by what
    union all
    select format('%s events to seal', count(*)) from public.audit_events where position is null having count(*) > 0`.execute(
    db,
  )
  return rows.map(({ left }) => left).join(', ')
}

/** A deletion that is due within ten seconds counts as open. */
async function isSettled(db: Db): Promise<boolean> {
  const { rows } = await sql<{ open: number }>`
    select (select count(*) from public.outbox where status = 'pending')
         + (select count(*) from public.exports where status = 'pending')
         + (select count(*) from public.deletions where status = 'erasing' or status = 'pending' and erase_after <= now() + interval '10 seconds')
         + (select count(*) from public.audit_events where position is null) as open`.execute(db)
  return rows[0]?.open === 0
}
