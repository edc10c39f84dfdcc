import { setTimeout as wait } from 'node:timers/promises'
import { deletionToken } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { claim, type Stage } from '../../scenario.ts'
import type { Reply } from '../../system/client.ts'
import type { Environment, Running } from '../../system/environment.ts'
import type { Person } from '../../system/people.ts'

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
  go(world: Environment): Promise<unknown>
  comeBack(world: Environment): Promise<unknown>
}

const ways = ({ ways }: Environment) => [ways.apiToDatabase, ways.workerToDatabase]
const onAll = (act: (way: ReturnType<typeof ways>[number]) => unknown) => (world: Environment) =>
  Promise.all(ways(world).map(act))

const outages: Outage[] = [
  { name: 'refusing', go: onAll((way) => way.cut()), comeBack: onAll((way) => way.mend()) },
  { name: 'silent', go: onAll((way) => way.freeze()), comeBack: onAll((way) => way.mend()) },
  {
    name: 'silent for a while',
    go: onAll((way) => way.freeze()),
    comeBack: onAll((way) => way.thaw()),
  },
]

/** What was seen, over all outages. */
export interface Seen {
  outages: number
  refused: number
  slowestMs: number
  slowestHealingMs: number
}

/** PostgreSQL goes in each way while people ask: a clean 503 in time, and all is well again soon after, by itself. */
export async function databaseAway(
  { full, random, tell }: Stage,
  world: Environment,
  services: Services,
): Promise<Seen> {
  const seen = { outages: 0, refused: 0, slowestMs: 0, slowestHealingMs: 0 }
  for (let round = 0; round < (full ? 3 : 1); round++)
    for (const outage of full ? outages : outages.slice(1, 2)) {
      const lastsMs = full ? random.between(2_000, 7_000) : 500
      const people = await world.people(full ? 20 : 8, { pictureOf: 0, savedPasswords: 1 })
      const requests = await requestsOf(world, people)
      // What is under way when it happens may come to anything but a 500 or a hang.
      const underWay = people.splice(0, 5).map((person) => world.client.delete(person))
      await outage.go(world)
      const refused = await ask(world, requests, lastsMs, seen)
      await staysAlive(services)
      await outage.comeBack(world)
      const back = performance.now()
      for (const reply of await Promise.all(underWay))
        isClean(world, 'a deletion under way', reply, [202])
      const healingMs = await heals(world, services, back)
      // They ask again, and a deletion that was done although nobody heard of it has ended their session.
      for (const person of people)
        isClean(world, 'a second try', await world.client.delete(person), [202, 401])
      seen.outages++
      seen.refused += refused
      seen.slowestHealingMs = Math.max(seen.slowestHealingMs, healingMs)
      tell(`PostgreSQL ${outage.name}: ${refused} requests were answered with 503`)
    }
  await backendsKilled(world, services, full ? 20 : 3, seen)
  return seen
}

type Request = { what: string; send(): Promise<Reply> }

/** Every kind of request that needs the database, again and again, from one person after the other. */
async function requestsOf(world: Environment, people: Person[]): Promise<Request[]> {
  const { client } = world
  const [decoy] = await world.people(1, { pictureOf: 0, savedPasswords: 0 })
  const { body } = await client.delete(decoy as Person)
  const { id = '' } = (body.deletion ?? {}) as { id?: string }
  const token = await tokenOf(world, id)
  const link =
    (path: string): Request['send'] =>
    () =>
      client.ask('link', { method: 'POST', path, body: { token } })
  let asked = 0
  const next = () => people[asked++ % people.length] as Person
  return [
    { what: 'DELETE', send: () => client.delete(next()) },
    { what: 'a log-in', send: () => client.logIn(next()) },
    { what: 'a profile', send: () => client.use(next()) },
    { what: 'a cancel', send: link('/v1/deletions/cancel') },
    { what: 'a status', send: link('/v1/deletions/status') },
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
  world: Environment,
  requests: Request[],
  lastsMs: number,
  seen: Seen,
): Promise<number> {
  const end = performance.now() + lastsMs
  let refused = 0
  let next = 0
  const user = async () => {
    while (performance.now() < end) {
      const { what, send } = requests[next++ % requests.length] as Request
      const reply = await send()
      isClean(world, `${what} without a database`, reply, [])
      seen.slowestMs = Math.max(seen.slowestMs, reply.took)
      refused++
      await wait(20)
    }
  }
  await Promise.all(Array.from({ length: USERS }, user))
  claim(refused >= requests.length, `only ${refused} requests were sent without a database`)
  return refused
}

function isClean(
  world: Environment,
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
  if (clean) world.claimWithin(`the 503 to ${what}`, took, ANSWERED_WITHIN_MS)
}

/** Both services live, and say that they cannot work. */
async function staysAlive({ api, worker }: Services): Promise<void> {
  for (const { name, url } of [api, worker]) {
    const [alive, ready] = await Promise.all([fetch(`${url}/healthz`), fetch(`${url}/readyz`)])
    claim(alive.status === 200, `/healthz of the ${name} is ${alive.status}`)
    claim(ready.status === 503, `/readyz of the ${name} is ${ready.status} without a database`)
  }
}

/** Waits until a new deletion is taken and its mail has come, from the processes of before; returns how long it took. */
async function heals(world: Environment, { api, worker }: Services, back: number): Promise<number> {
  const [person] = await world.people(1, { pictureOf: 0, savedPasswords: 0 })
  const asked = async () => (await world.client.delete(person as Person)).status === 202
  await until('a 202 after the return', asked)
  const came = () => world.sink.find(person?.address ?? '', '')
  await until('the mail after the return', came)
  for (const { name, url } of [api, worker])
    await until(
      `/readyz of the ${name} after the return`,
      async () => (await fetch(`${url}/readyz`)).ok,
    )
  const ended = await Promise.race([api.ended, worker.ended, 'running'])
  claim(ended === 'running', 'a service ended')
  const healingMs = performance.now() - back
  world.claimWithin('healing', healingMs, HEALED_WITHIN_MS)
  return healingMs
}

/** Every connection is ended by the server, many times, while people ask: 202 or a clean 503, and nothing else. */
async function backendsKilled(world: Environment, services: Services, times: number, seen: Seen) {
  const people = await world.people(times * 4, { pictureOf: 0, savedPasswords: 1 })
  let killed = 0
  for (let round = 0; round < times; round++) {
    const asked = people.splice(0, 4).map((person) => world.client.delete(person))
    const { rows } = await sql<{ killed: number }>`
      select count(pg_terminate_backend(pid)) as killed from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(world.db)
    killed += rows[0]?.killed ?? 0
    for (const reply of await Promise.all(asked)) isClean(world, 'a deletion', reply, [202])
  }
  claim(killed >= times, `only ${killed} connections were there to be killed`)
  seen.outages += times
  seen.slowestHealingMs = Math.max(
    seen.slowestHealingMs,
    await heals(world, services, performance.now()),
  )
}
