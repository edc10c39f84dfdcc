import { onBoth, type Played, type Scenario, type Stage } from '../scenario.ts'
import { databaseAway } from './parts-away/database.ts'
import { mailAway } from './parts-away/mail.ts'
import { redisAway } from './parts-away/redis.ts'

const BOUND_SECONDS = 60

/** Each part goes, refusing or silent, and comes back. */
export const partsAway: Scenario = {
  name: 'parts-away',
  claim:
    'without Redis every DELETE is a 202 as fast as usual; without PostgreSQL a clean 503 within 2 s, healed within 10 s; without SMTP nothing else notices',
  queues: onBoth,
  play,
}

async function play(stage: Stage): Promise<Played> {
  const { full, openWorld } = stage
  const world = await openWorld({ gracePeriod: full ? 'PT3S' : 'PT1S' })
  await world.bystanders(20)
  const [api, worker] = await Promise.all([world.startApi(), world.startWorker()])
  const told: string[] = []

  let partsBack = new Date()
  const { toRedis } = world.ways
  if (toRedis) {
    const { deletions, usualP99, awayP99, back } = await redisAway(stage, world, toRedis)
    partsBack = back
    told.push(
      `${deletions} deletions without Redis (${deletions / 120} minutes at two a second, sent faster), all 202, p99 ${awayP99.toFixed(0)} ms instead of ${usualP99.toFixed(0)} ms`,
    )
    await world.settle(BOUND_SECONDS)
    await world.check({ partsBack, bound: BOUND_SECONDS })
  }
  const seen = await databaseAway(stage, world, { api, worker })
  partsBack = new Date()
  told.push(
    `${seen.outages} outages of PostgreSQL, ${seen.refused} answers of 503, the slowest after ${seen.slowestMs.toFixed(0)} ms, healed within ${(seen.slowestHealingMs / 1_000).toFixed(1)} s`,
  )
  await world.settle(BOUND_SECONDS)
  const pace = await mailAway(stage, world, worker)
  told.push(
    `${pace.people} erased without SMTP in ${(pace.awayMs / 1_000).toFixed(1)} s instead of ${(pace.usualMs / 1_000).toFixed(1)} s, ${pace.held} mails held up and sent (their gaps cut short)`,
  )
  await world.settle(BOUND_SECONDS)
  return {
    summary: told.join('; '),
    checked: await world.check({ partsBack, bound: BOUND_SECONDS }),
  }
}
