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
/** One for each kind of request: an answer may take nearly the whole outage. */
const USERS = 6

interface Services {
  api: Running
  worker: Running
}

/** How PostgreSQL goes, and how it comes back. */
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

/** What was seen, over all outages. */
export interface Observed {
  outages: number
  refused: number
  slowestMs: number
  slowestHealingMs: number
}

/** PostgreSQL goes in each way while people ask: a clean 503 in time, and all is well again soon after, by itself. */
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
      // What is under way when it happens may come to anything but a 500 or a hang.
      const underWay = people.splice(0, 5).map((person) => environment.client.delete(person))
      await outage.go(environment)
      const refused = await ask(environment, requests, lastsMs, observed)
      await claimAlive(services)
      await outage.comeBack(environment)
      const back = performance.now()
      for (const reply of await Promise.all(underWay))
        claimClean(environment, 'a deletion under way', reply, [202])
      const healingMs = await waitUntilHealed(environment, services, back)
      // They ask again, and a deletion that was done although nobody heard of it has ended their session.
      for (const person of people)
        claimClean(environment, 'a second try', await environment.client.delete(person), [202, 401])
      observed.outages++
      observed.refused += refused
      observed.slowestHealingMs = Math.max(observed.slowestHealingMs, healingMs)
      print(`PostgreSQL ${outage.name}: ${refused} requests were answered with 503`)
    }
  await backendsKilled(environment, services, full ? 20 : 3, observed)
  return observed
}

type Request = { what: string; send(): Promise<Reply> }

/** Every kind of request that needs the database, again and again, from one person after the other. */
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

/** Asks for as long as the database is away; every answer is a clean 503 in time. Returns how many there were. */
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
      claimClean(environment, `${what} without a database`, reply, [])
      observed.slowestMs = Math.max(observed.slowestMs, reply.took)
      refused++
      await wait(20)
    }
  }
  await Promise.all(Array.from({ length: USERS }, user))
  claim(refused >= requests.length, `only ${refused} requests were sent without a database`)
  return refused
}

function claimClean(
  environment: Environment,
  what: string,
  { status, failure, body, took }: Reply,
  others: number[],
): void {
  const clean = status === 503 && body.type === '/problems/unavailable'
  claim(
    clean || others.includes(status ?? 0),
    `${what} was answered with ${status ?? failure} ${JSON.stringify(body)}`,
  )
  // What is done takes as long as the machine is busy; that it cannot be done is said in time.
  if (clean) environment.claimWithin(`the 503 to ${what}`, took, ANSWERED_WITHIN_MS)
}

/** Both services live, and say that they cannot work. */
async function claimAlive({ api, worker }: Services): Promise<void> {
  for (const { name, url } of [api, worker]) {
    const [alive, ready] = await Promise.all([fetch(`${url}/healthz`), fetch(`${url}/readyz`)])
    claim(alive.status === 200, `/healthz of the ${name} is ${alive.status}`)
    claim(ready.status === 503, `/readyz of the ${name} is ${ready.status} without a database`)
  }
}

/** Waits until a new deletion is taken and its mail has come, from the processes of before; returns how long it took. */
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
  const healingMs = performance.now() - back
  environment.claimWithin('healing', healingMs, HEALED_WITHIN_MS)
  return healingMs
}

/** Every connection is ended by the server, many times, while people ask: 202 or a clean 503, and nothing else. */
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
      claimClean(environment, 'a deletion', reply, [202])
  }
  claim(killed >= times, `only ${killed} connections were there to be killed`)
  observed.outages += times
  observed.slowestHealingMs = Math.max(
    observed.slowestHealingMs,
    await waitUntilHealed(environment, services, performance.now()),
  )
}
