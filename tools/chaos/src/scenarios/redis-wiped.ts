import { setTimeout as wait } from 'node:timers/promises'
import { until } from '@lethe/machine-speed'
import { claim, type Played, type Scenario, type Stage } from '../scenario.ts'
import { deletes } from '../system/client.ts'
import type { Environment, Running } from '../system/environment.ts'
import { hasten } from '../system/expire-leases.ts'
import { jobsIn, type WipeName, wipes } from '../system/redis-wipes.ts'
import { followed } from '../system/wait-for-backlog.ts'

const BOUND_SECONDS = 60

/** Redis loses what it was told, in every way that it has, while there are jobs in it. */
export const redisWiped: Scenario = {
  name: 'redis-wiped',
  claim:
    'Redis is flushed, killed, full or evicting, again and again: nothing is lost, and what is due is erased within 60 s of its return',
  queues: ['redis'],
  play,
}

async function play({ full, openWorld, random, tell }: Stage): Promise<Played> {
  const [rounds, peopleOfARound, workerCount] = full ? [100, 100, 2] : [4, 10, 1]
  const world = await openWorld({ direct: true })
  const { redis } = world
  claim(redis !== undefined, 'the queue does not live in Redis')
  await world.bystanders(20)
  const starting = Array.from({ length: workerCount }, () => world.startWorker())
  const [, ...workers] = await Promise.all([world.startApi(), ...starting])
  // Each mail takes its time, so that jobs wait.
  world.sink.judge(() => wait(25).then(() => 'accepted' as const))

  const kinds = Object.keys(wipes) as WipeName[]
  const done = new Map(kinds.map((kind) => [kind, 0]))
  let jobs = 0
  let partsBack = new Date()
  for (let round = 1; round <= rounds; round++) {
    const asked = ask(world, peopleOfARound)
    const kind = kinds[round - 1] ?? random.pick(kinds)
    await wait(random.between(0, 500))
    jobs += await until('jobs in the queue', () => jobsIn(redis))
    await wipes[kind](redis, random)
    partsBack = new Date()
    done.set(kind, (done.get(kind) ?? 0) + 1)
    await asked
    await followed(world.db)
    if (round % 10 === 0) tell(`${round} of ${rounds} wipes; ${jobs} jobs were in the queue`)
  }
  await Promise.all(workers.map(isWell))
  // The short form does not wait until the leases of lost jobs have run out.
  if (!full) await hasten(world.db)
  await world.settle(BOUND_SECONDS + 30)
  await until('an empty queue', async () => (await jobsIn(redis)) === 0)
  await Promise.all(workers.map(isWell))
  const inKinds = [...done].map(([kind, count]) => `${count} ${kind}`).join(', ')
  return {
    summary: `${rounds} wipes (${inKinds}) with ${jobs.toLocaleString('en')} jobs in the queue`,
    checked: await world.check({ partsBack, bound: BOUND_SECONDS }),
  }
}

/** So many ask for their deletion, a few at a time; Redis is no matter of the API's. */
async function ask(world: Environment, count: number): Promise<void> {
  const people = await world.people(count, { pictureOf: 20, savedPasswords: 1 })
  const one = async () => {
    for (let person = people.pop(); person; person = people.pop())
      await deletes(world.client, person)
  }
  await Promise.all([one(), one(), one(), one()])
}

/** It can work, and shows an operator what it does. */
async function isWell({ url }: Running): Promise<void> {
  for (const path of ['/readyz', '/metrics', '/queue'])
    await until(`${path} of a worker`, async () => (await fetch(url + path)).ok)
}
