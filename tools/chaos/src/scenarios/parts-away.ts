import { onBoth, type Played, type Scenario, type ScenarioContext } from '../scenario.ts'
import { databaseAway } from './parts-away/database.ts'
import { mailAway } from './parts-away/mail.ts'
import { redisAway } from './parts-away/redis.ts'

const BOUND_SECONDS = 60

/** Takes each component away, refusing or silent, and brings it back. */
export const partsAway: Scenario = {
  name: 'parts-away',
  claim:
    'without Redis every DELETE is a 202 as fast as usual; without PostgreSQL a clean 503 within 2 s, healed within 10 s; without SMTP no other work is affected',
  queues: onBoth,
  play,
}

async function play(context: ScenarioContext): Promise<Played> {
  const { full, openEnvironment } = context
  const environment = await openEnvironment({ gracePeriod: full ? 'PT3S' : 'PT1S' })
  await environment.bystanders(20)
  const [api, worker] = await Promise.all([environment.startApi(), environment.startWorker()])
  const summaries: string[] = []

  let partsBack = new Date()
  const { toRedis } = environment.links
  if (toRedis) {
    const { deletions, usualP99, awayP99, back } = await redisAway(context, environment, toRedis)
    partsBack = back
    summaries.push(
      `${deletions} deletions without Redis (${deletions / 120} minutes at two a second, sent faster), all 202, p99 ${awayP99.toFixed(0)} ms instead of ${usualP99.toFixed(0)} ms`,
    )
    await environment.settle(BOUND_SECONDS)
    await environment.check({ partsBack, bound: BOUND_SECONDS })
  }
  const observed = await databaseAway(context, environment, { api, worker })
  partsBack = new Date()
  summaries.push(
    `${observed.outages} outages of PostgreSQL, ${observed.refused} answers of 503, the slowest after ${observed.slowestMs.toFixed(0)} ms, healed within ${(observed.slowestHealingMs / 1_000).toFixed(1)} s`,
  )
  await environment.settle(BOUND_SECONDS)
  const pace = await mailAway(context, environment, worker)
  summaries.push(
    `${pace.people} erased without SMTP in ${(pace.awayMs / 1_000).toFixed(1)} s instead of ${(pace.usualMs / 1_000).toFixed(1)} s, ${pace.held} mails held up and sent (their gaps cut short)`,
  )
  await environment.settle(BOUND_SECONDS)
  return {
    summary: summaries.join('; '),
    checked: await environment.check({ partsBack, bound: BOUND_SECONDS }),
  }
}
