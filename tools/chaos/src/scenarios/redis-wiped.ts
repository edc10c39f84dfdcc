import { setTimeout as wait } from 'node:timers/promises'
import { until } from '@lethe/machine-speed'
import { claim, type Played, type Scenario, type ScenarioContext } from '../scenario.ts'
import { requestDeletion } from '../system/client.ts'
import type { Environment, Running } from '../system/environment.ts'
import { expireLeases } from '../system/expire-leases.ts'
import { jobsIn, type WipeName, wipes } from '../system/redis-wipes.ts'
import { waitForBacklog } from '../system/wait-for-backlog.ts'

const BOUND_SECONDS = 60

/** Makes Redis lose its jobs in every way it can. */
export const redisWiped: Scenario = {
  name: 'redis-wiped',
  claim:
    'Redis is flushed, killed, full or evicting, again and again: no deletion is lost, and due ones are erased within 60 s of its return',
  queues: ['redis'],
  play,
}

async function play({ full, openEnvironment, random, print }: ScenarioContext): Promise<Played> {
  const [rounds, peopleOfARound, workerCount] = full ? [100, 100, 2] : [4, 10, 1]
  const environment = await openEnvironment({ direct: true })
  const { redis } = environment
  claim(redis !== undefined, 'the queue does not live in Redis')
  await environment.bystanders(20)
  const starting = Array.from({ length: workerCount }, () => environment.startWorker())
  const [, ...workers] = await Promise.all([environment.startApi(), ...starting])
  // Each mail is slow, so that jobs wait.
  environment.sink.respond(() => wait(25).then(() => 'accepted' as const))

  const kinds = Object.keys(wipes) as WipeName[]
  const done = new Map(kinds.map((kind) => [kind, 0]))
  let jobs = 0
  let partsBack = new Date()
  for (let round = 1; round <= rounds; round++) {
    const asked = ask(environment, peopleOfARound)
    const kind = kinds[round - 1] ?? random.pick(kinds)
    await wait(random.between(0, 500))
    jobs += await until('jobs in the queue', () => jobsIn(redis))
    await wipes[kind](redis, random)
    partsBack = new Date()
    done.set(kind, (done.get(kind) ?? 0) + 1)
    await asked
    await waitForBacklog(environment.db)
    if (round % 10 === 0) print(`${round} of ${rounds} wipes; ${jobs} jobs were in the queue`)
  }
  await Promise.all(workers.map(waitUntilHealthy))
  // The short form does not wait for the leases of lost jobs to expire.
  if (!full) await expireLeases(environment.db)
  await environment.settle(BOUND_SECONDS + 30)
  await until('an empty queue', async () => (await jobsIn(redis)) === 0)
  await Promise.all(workers.map(waitUntilHealthy))
  const inKinds = [...done].map(([kind, count]) => `${count} ${kind}`).join(', ')
  return {
    summary: `${rounds} wipes (${inKinds}) with ${jobs.toLocaleString('en')} jobs in the queue`,
    checked: await environment.check({ partsBack, bound: BOUND_SECONDS }),
  }
}

/** Requests `count` deletions, a few at a time; the API does not use Redis. */
async function ask(environment: Environment, count: number): Promise<void> {
  const people = await environment.people(count, { pictureOf: 20, savedPasswords: 1 })
  const one = async () => {
    for (let person = people.pop(); person; person = people.pop())
      await requestDeletion(environment.client, person)
  }
  await Promise.all([one(), one(), one(), one()])
}

/** Waits until the worker is ready and serves its pages. */
async function waitUntilHealthy({ url }: Running): Promise<void> {
  for (const path of ['/readyz', '/metrics', '/queue'])
    await until(`${path} of a worker`, async () => (await fetch(url + path)).ok)
}
