import { deletionToken } from '@lethe/accounts'
import { sql } from 'kysely'
import { addUp, claim, onBoth, type Played, type Scenario, type Stage } from '../scenario.ts'
import { untilClock } from '../system/until.ts'
import type { World } from '../system/world.ts'

const GRACE_SECONDS = 6

/** Cancels arrive within milliseconds of the date at which the worker claims: both sides win some, never both one. */
export const races: Scenario = {
  name: 'races',
  claim: 'a cancel and a claim within milliseconds of the date: exactly one of them wins',
  queues: onBoth,
  play,
}

async function play({ full, openWorld, random, tell }: Stage): Promise<Played> {
  const [rounds, people] = full ? [20, 500] : [1, 60]
  const world = await openWorld({ gracePeriod: `PT${GRACE_SECONDS}S` })
  await world.bystanders(20)
  await Promise.all([world.startApi(), world.startWorker(), world.startWorker()])
  const won = { cancel: 0, claim: 0 }
  for (let round = 1; round <= rounds; round++) {
    const winners = await race(world, people, () => random.between(-40, 900))
    won.cancel += winners.cancel
    won.claim += winners.claim
    tell(`round ${round} of ${rounds}: ${won.cancel} cancels and ${won.claim} claims won`)
  }
  await world.settle(60)
  const checked = addUp([await world.check({ bound: 30 })])
  claim(won.cancel > 0 && won.claim > 0, `only one side ever won: ${JSON.stringify(won)}`)
  return {
    summary: `${won.cancel + won.claim} races, ${won.cancel} won by the cancel and ${won.claim} by the claim`,
    checked,
  }
}

/** All of these ask for their deletion, and cancel it `offset` milliseconds from its date. */
async function race(world: World, count: number, offset: () => number) {
  const people = await world.people(count, { pictureOf: 0, savedPasswords: 1 })
  const asked = await Promise.all(people.map((person) => world.client.delete(person)))
  const tokens = await tokensOf(world)
  const cancels = people.map(async (person, n) => {
    const { id = '', eraseAfter = '' } = (asked[n]?.body.deletion ?? {}) as Record<string, string>
    await untilClock(Date.parse(eraseAfter) + offset())
    return world.client.cancel(person, id, tokens.get(id) ?? '')
  })
  const replies = await Promise.all(cancels)
  const cancel = replies.filter(({ status }) => status === 200).length
  const late = replies.filter(({ status }) => status === 409).length
  claim(cancel + late === count, `${count - cancel - late} cancels had no clear answer`)
  return { cancel, claim: late }
}

/** The tokens of the cancel links, as the mails carry them. */
async function tokensOf({ db, keys }: World): Promise<Map<string, string>> {
  const { rows } = await sql<{ id: string; nonce: Buffer }>`
    select id, token_nonce as nonce from deletions where status = 'pending'`.execute(db)
  return new Map(rows.map(({ id, nonce }) => [id, deletionToken(keys, nonce)]))
}
