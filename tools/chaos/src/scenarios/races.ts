import { deletionToken } from '@lethe/lifecycle'
import { measureSlowness } from '@lethe/machine-speed'
import { sql } from 'kysely'
import {
  claim,
  numberOn,
  onBoth,
  type Played,
  type Scenario,
  type ScenarioContext,
} from '../scenario.ts'
import { requestDeletion, retryUnavailable } from '../system/client.ts'
import type { Environment } from '../system/environment.ts'
import type { TestPerson } from '../system/people.ts'
import { untilClock } from '../system/until-clock.ts'

/** Long enough that a whole group has requested before the first date. */
const GRACE_SECONDS = 6
/** How many people's tokens are read at once. */
const GROUP = 50
/** How far the next cancels move: later after a cancel that won, earlier after one that lost. */
const STEP_MS = 20
/** A cancel fixes its time this long before the date, when the outcomes of earlier races are known. */
const CHOICE_BEFORE_MS = 2_000
/** One request per this interval: the scenario races the API and does not flood it. */
const EVERY_MS = 8

/**
 * Sends cancels within milliseconds of the date at which the worker claims: each side wins some races, never both one.
 */
export const races: Scenario = {
  name: 'races',
  claim: 'a cancel and a claim within milliseconds of the date: exactly one of them wins',
  queues: onBoth,
  play,
}

async function play({
  full,
  openEnvironment,
  queue,
  random,
  print,
}: ScenarioContext): Promise<Played> {
  const count = full ? numberOn(queue, 10_000) : 100
  const slowness = await measureSlowness()
  const grace = Math.ceil(GRACE_SECONDS * slowness)
  const environment = await openEnvironment({ gracePeriod: `PT${grace}S`, direct: true })
  await environment.bystanders(20)
  await Promise.all([environment.startApi(), environment.startWorker(), environment.startWorker()])
  const won = { cancel: 0, claim: 0, neither: 0 }
  const running: Promise<void>[] = []
  let shift = 0
  for (let group = 0; group < count; group += GROUP) {
    const people = await environment.people(GROUP, { pictureOf: 0, savedPasswords: 1 })
    await inTurn(people, (person) => requestDeletion(environment.client, person))
    for (const { eraseAfter, ...asked } of await deletionsOf(environment, people)) {
      const offset = random.between(-40, 400)
      const choiceAt = eraseAfter.getTime() - CHOICE_BEFORE_MS * slowness
      // The shift follows the outcomes in both directions, so both sides win some on a busy machine too.
      const moment = () => Math.max(choiceAt, eraseAfter.getTime() + offset + shift)
      const settle = (winner: keyof typeof won) => {
        won[winner]++
        shift += (winner === 'cancel' ? STEP_MS : -STEP_MS) * slowness
      }
      const raced = untilClock(choiceAt).then(() => race(environment, { ...asked, at: moment() }))
      running.push(raced.then(settle, () => settle('neither')))
    }
    if (group % 2_000 === 0) print(`${group + GROUP} of ${count} asked; so far ${formatScore(won)}`)
  }
  await Promise.all(running)
  await environment.settle(60)
  claim(won.neither === 0, `${won.neither} cancels had neither a 200 nor a 409`)
  claim(won.cancel > 0 && won.claim > 0, `only one side ever won: ${formatScore(won)}`)
  return {
    summary: `${count.toLocaleString('en')} races: ${formatScore(won)}`,
    checked: await environment.check({ bound: 30 }),
  }
}

interface Cancel {
  person: TestPerson
  id: string
  token: string
  at: number
}

/** Returns the winner. */
async function race({ client }: Environment, { person, id, token, at }: Cancel) {
  await untilClock(at)
  const { status, body } = await retryUnavailable(() => client.cancel(person, id, token))
  // The answer to an earlier try may be lost; this 409 reports that the deletion is cancelled.
  if (status === 200 || body.deletionStatus === 'cancelled') return 'cancel'
  return status === 409 ? 'claim' : 'neither'
}

/** Starts the calls a few milliseconds apart and waits for all. */
async function inTurn<T, R>(all: T[], act: (one: T) => Promise<R>): Promise<R[]> {
  const began = Date.now()
  return Promise.all(
    all.map(async (one, n) => {
      await untilClock(began + n * EVERY_MS)
      return act(one)
    }),
  )
}

function formatScore({ cancel, claim }: { cancel: number; claim: number }): string {
  return `${cancel} won by the cancel and ${claim} by the claim`
}

/** Reads their deletions, with the tokens that the mailed cancel links carry. */
async function deletionsOf({ db, keys }: Environment, people: TestPerson[]) {
  const { rows } = await sql<{ id: string; userId: number; eraseAfter: Date; nonce: Buffer }>`
    select id, user_id as "userId", erase_after as "eraseAfter", token_nonce as nonce from public.deletions
    where status = 'pending' and user_id = any(${people.map(({ id }) => id)}::bigint[])`.execute(db)
  claim(rows.length === people.length, `${rows.length} of ${people.length} deletions are there`)
  const byId = new Map(people.map((person) => [person.id, person]))
  return rows.map(({ id, userId, eraseAfter, nonce }) => ({
    ...{ id, eraseAfter, token: deletionToken(keys, nonce) },
    person: byId.get(userId) as TestPerson,
  }))
}
