import { setTimeout as wait } from 'node:timers/promises'
import { deletionToken } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { claim, type ScenarioContext } from '../../scenario.ts'
import type { Reply } from '../../system/client.ts'
import type { Environment, Running } from '../../system/environment.ts'
import type { TestPerson } from '../../system/people.ts'

const ANSWERED_WITHIN_MS = 2_000
const HEALED_WITHIN_MS = 10_000
/** One client for each kind of request, because an answer may take nearly the whole outage. */
const USERS = 6

interface Services {
  api: Running
  worker: Running
}

/** How PostgreSQL fails and how it comes back. */
interface Outage {
  name: string
  go(environment: Environment): Promise<unknown>
  comeBack(environment: Environment): Promise<unknown>
}

const links = ({ links }: Environment) => [links.apiToDatabase, links.workerToDatabase]
const onAll =
  (act: (link: ReturnType<typeof links>[number]) => unknown) => (environment: Environment) =>
    Promise.all(links(environment).map(act))

const outages: Outage[] = [
  { name: 'refusing', go: onAll((link) => link.cut()), comeBack: onAll((link) => link.mend()) },
  { name: 'silent', go: onAll((link) => link.freeze()), comeBack: onAll((link) => link.mend()) },
  {
    name: 'silent for a while',
    go: onAll((link) => link.freeze()),
    comeBack: onAll((link) => link.thaw()),
  },
]

/** Totals over all outages. */
export interface Observed {
  outages: number
  refused: number
  slowestMs: number
  slowestHealingMs: number
}

/**
 * Takes PostgreSQL away in each way under load: the API answers a clean 503 in time, and recovers by itself soon after.
 */
export async function databaseAway(
  { full, random, print }: ScenarioContext,
  environment: Environment,
  services: Services,
): Promise<Observed> {
  const observed = { outages: 0, refused: 0, slowestMs: 0, slowestHealingMs: 0 }
  for (let round = 0; round < (full ? 3 : 1); round++)
    for (const outage of full ? outages : outages.slice(1, 2)) {
      const lastsMs = full ? random.between(2_000, 7_000) : 500
      const people = await environment.people(full ? 20 : 8, { pictureOf: 0, savedPasswords: 1 })
      const requests = await requestsOf(environment, people)
      // A request in flight may get any answer except a 500 or a hang.
      const underWay = people.splice(0, 5).map((person) => environment.client.delete(person))
      await outage.go(environment)
      const refused = await ask(environment, requests, lastsMs, observed)
      await claimAlive(services)
      await outage.comeBack(environment)
      const back = environment.mark()
      for (const reply of await Promise.all(underWay))
        await claimClean(environment, 'a deletion under way', reply, [202])
      const healingMs = await waitUntilHealed(environment, services, back)
      // People retry; a deletion that was done although its answer was lost has ended their session.
      for (const person of people)
        await claimClean(
          environment,
          'a second try',
          await environment.client.delete(person),
          [202, 401],
        )
      observed.outages++
      observed.refused += refused
      observed.slowestHealingMs = Math.max(observed.slowestHealingMs, healingMs)
      print(`PostgreSQL ${outage.name}: ${refused} requests were answered with 503`)
    }
  await backendsKilled(environment, services, full ? 20 : 3, observed)
  return observed
}

type Request = { what: string; send(): Promise<Reply> }

/** Every kind of request that needs the database, for one person after the other. */
async function requestsOf(environment: Environment, people: TestPerson[]): Promise<Request[]> {
  const { client } = environment
  const [decoy] = await environment.people(1, { pictureOf: 0, savedPasswords: 0 })
  const { body } = await client.delete(decoy as TestPerson)
  const { id = '' } = (body.deletion ?? {}) as { id?: string }
  const token = await tokenOf(environment, id)
  const postToken =
    (path: string): Request['send'] =>
    () =>
      client.ask('postToken', { method: 'POST', path, body: { token } })
  let asked = 0
  const next = () => people[asked++ % people.length] as TestPerson
  return [
    { what: 'DELETE', send: () => client.delete(next()) },
    { what: 'a log-in', send: () => client.logIn(next()) },
    { what: 'a profile', send: () => client.use(next()) },
    { what: 'a cancel', send: postToken('/v1/deletions/cancel') },
    { what: 'a status', send: postToken('/v1/deletions/status') },
    { what: '/readyz', send: () => client.ask('ready', { method: 'GET', path: '/readyz' }) },
  ]
}

async function tokenOf({ db, keys }: Environment, deletionId: string): Promise<string> {
  const { rows } = await sql<{ nonce: Buffer }>`
    select token_nonce as nonce from public.deletions where id = ${deletionId}`.execute(db)
  return deletionToken(keys, rows[0]?.nonce ?? Buffer.alloc(0))
}

/** Sends requests during the outage; every answer must be a clean 503 in time. Returns their number. */
async function ask(
  environment: Environment,
  requests: Request[],
  lastsMs: number,
  observed: Observed,
): Promise<number> {
  const end = performance.now() + lastsMs
  let refused = 0
  let next = 0
  const user = async () => {
    while (performance.now() < end) {
      const { what, send } = requests[next++ % requests.length] as Request
      const reply = await send()
      await claimClean(environment, `${what} without a database`, reply, [])
      observed.slowestMs = Math.max(observed.slowestMs, reply.took)
      refused++
      await wait(20)
    }
  }
  await Promise.all(Array.from({ length: USERS }, user))
  claim(refused >= requests.length, `only ${refused} requests were sent without a database`)
  return refused
}

async function claimClean(
  environment: Environment,
  what: string,
  { status, failure, body, sentAt, took }: Reply,
  others: number[],
): Promise<void> {
  const clean = status === 503 && body.type === '/problems/unavailable'
  claim(
    clean || others.includes(status ?? 0),
    `${what} was answered with ${status ?? failure} ${JSON.stringify(body)}`,
  )
  // Only a 503 has a bound: a served request takes as long as the machine is busy.
  if (!clean) return
  const begin = environment.mark(sentAt)
  const span = { begin, end: begin + took }
  await environment.claimWithin(`the 503 to ${what}`, took, ANSWERED_WITHIN_MS, span)
}

/** Checks that both services live and report that they are not ready. */
async function claimAlive({ api, worker }: Services): Promise<void> {
  for (const { name, url } of [api, worker]) {
    const [alive, ready] = await Promise.all([fetch(`${url}/healthz`), fetch(`${url}/readyz`)])
    claim(alive.status === 200, `/healthz of the ${name} is ${alive.status}`)
    claim(ready.status === 503, `/readyz of the ${name} is ${ready.status} without a database`)
  }
}

/** Waits until the same processes accept a new deletion and its mail has come; returns how long that took. */
async function waitUntilHealed(
  environment: Environment,
  { api, worker }: Services,
  back: number,
): Promise<number> {
  const [person] = await environment.people(1, { pictureOf: 0, savedPasswords: 0 })
  const asked = async () => (await environment.client.delete(person as TestPerson)).status === 202
  await until('a 202 after the return', asked)
  const came = () => environment.sink.find(person?.address ?? '', '')
  await until('the mail after the return', came)
  for (const { name, url } of [api, worker])
    await until(
      `/readyz of the ${name} after the return`,
      async () => (await fetch(`${url}/readyz`)).ok,
    )
  const ended = await Promise.race([api.ended, worker.ended, 'running'])
  claim(ended === 'running', 'a service ended')
  const healed = environment.mark()
  const healingMs = healed - back
  const span = { begin: back, end: healed }
  await environment.claimWithin('healing', healingMs, HEALED_WITHIN_MS, span)
  return healingMs
}

/** Ends every connection from the server, many times, under load: only a 202 or a clean 503 is allowed. */
async function backendsKilled(
  environment: Environment,
  services: Services,
  times: number,
  observed: Observed,
) {
  const people = await environment.people(times * 4, { pictureOf: 0, savedPasswords: 1 })
  let killed = 0
  for (let round = 0; round < times; round++) {
    const asked = people.splice(0, 4).map((person) => environment.client.delete(person))
    const { rows } = await sql<{ killed: number }>`
      select count(pg_terminate_backend(pid)) as killed from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(environment.db)
    killed += rows[0]?.killed ?? 0
    for (const reply of await Promise.all(asked))
      await claimClean(environment, 'a deletion', reply, [202])
  }
  claim(killed >= times, `only ${killed} connections were there to be killed`)
  observed.outages += times
  observed.slowestHealingMs = Math.max(
    observed.slowestHealingMs,
    await waitUntilHealed(environment, services, environment.mark()),
  )
}
