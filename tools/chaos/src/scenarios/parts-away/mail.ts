import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { claim, type ScenarioContext } from '../../scenario.ts'
import { requestDeletion } from '../../system/client.ts'
import type { Environment, Running } from '../../system/environment.ts'
import { expireLeases } from '../../system/expire-leases.ts'
import type { TestPerson } from '../../system/people.ts'

/** Limit relative to the time with a mail server, plus one second for the sweep, which runs once a second. */
const SLOWER_AT_MOST = 1.5
const SWEEP_MS = 1_000
const ROUNDS = 3

export interface Pace {
  people: number
  usualMs: number
  awayMs: number
  held: number
}

/** Takes the mail server away: deletions, exports and erasures keep their pace, and the mails leave after its return. */
export async function mailAway(
  context: ScenarioContext,
  environment: Environment,
  worker: Running,
): Promise<Pace> {
  const pace: Pace = { people: 0, usualMs: 0, awayMs: 0, held: 0 }
  for (const silent of context.full ? [false, true] : [true]) {
    const round = await keptPace(context, environment, worker, silent)
    context.print(`${round.held} mails were held up, and left`)
    pace.people += round.people
    pace.held += round.held
    pace.usualMs = Math.max(pace.usualMs, round.usualMs)
    pace.awayMs = Math.max(pace.awayMs, round.awayMs)
  }
  return pace
}

/**
 * Other scenarios load the machine unevenly, even within a round, so a slow round is repeated; mails that block erasure
 * would slow every round. The short form erases too few people to compare paces.
 */
async function keptPace(
  { full }: ScenarioContext,
  environment: Environment,
  worker: Running,
  silent: boolean,
): Promise<Pace> {
  const slow: string[] = []
  let pace: Pace | undefined
  const begin = environment.mark()
  for (let round = 0; round < ROUNDS; round++) {
    pace = await eraseWithout(environment, worker, silent, full ? 60 : 8)
    if (!full || pace.awayMs <= SLOWER_AT_MOST * pace.usualMs + SWEEP_MS) return pace
    slow.push(`${pace.awayMs.toFixed(0)} ms instead of ${pace.usualMs.toFixed(0)} ms`)
  }
  await environment.claimUnlessSlow(
    false,
    `without a mail server erasing took ${slow.join(', and ')}`,
    { begin, end: environment.mark() },
  )
  return pace as Pace
}

async function eraseWithout(
  environment: Environment,
  worker: Running,
  silent: boolean,
  count: number,
): Promise<Pace> {
  const { toMail } = environment.links
  const usualMs = await eraseAll(environment, count)
  // Otherwise a sent mail might not be recorded yet.
  await until('the mails of before', async () => (await pendingMails(environment)) === 0)
  if (silent) toMail.freeze()
  else await toMail.cut()
  const offers = environment.sink.offers.length
  const awayMs = await eraseAll(environment, count)
  claim(environment.sink.offers.length === offers, 'a mail came although the mail server was away')
  const held = await pendingMails(environment)
  claim(held > 0, 'no mail was held up')
  const { status } = await fetch(`${worker.url}/readyz`)
  claim(status === 200, `/readyz of the worker is ${status} without a mail server`)
  await toMail.mend()
  await until('mails that leave', async () => {
    // Retry gaps grow to hours, so they are skipped.
    await expireLeases(environment.db)
    return untilNone(environment)
  })
  return { people: count, usualMs, awayMs, held }
}

/** Returns the milliseconds from the first request until the last person is erased. */
async function eraseAll(environment: Environment, count: number): Promise<number> {
  const people = await environment.people(count, { pictureOf: 0, savedPasswords: 1 })
  const began = performance.now()
  for (const person of people) await requestDeletion(environment.client, person)
  await until('erased people', () => areGone(environment, people))
  return performance.now() - began
}

async function areGone({ db }: Environment, people: TestPerson[]): Promise<boolean> {
  const { rows } = await sql`
    select from public.users where id = any(${people.map(({ id }) => id)}::bigint[]) limit 1`.execute(
    db,
  )
  return rows.length === 0
}

async function pendingMails({ db }: Environment): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) from public.outbox where status = 'pending'`.execute(db)
  return rows[0]?.count ?? 0
}

/** Waits for the last mail; a mail whose gap was skipped may have failed once more. */
async function untilNone(environment: Environment): Promise<boolean> {
  const none = async () => (await pendingMails(environment)) === 0
  return until('the last mail', none, 3_000).catch(() => false)
}
