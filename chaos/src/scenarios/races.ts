import { deletionToken } from '@lethe/accounts'
import { sql } from 'kysely'
import { claim, onBoth, type Played, type Scenario, type Stage } from '../scenario.ts'
import { served } from '../system/client.ts'
import type { Person } from '../system/people.ts'
import { untilClock } from '../system/until.ts'
import type { World } from '../system/world.ts'

const GRACE_SECONDS = 6
/** People whose tokens are read together. */
const GROUP = 50
/** Milliseconds by which the next cancels come later after one that was in time, and earlier after one that was not. */
const STEP_MS = 4
/** A request each so many milliseconds: the API is to be raced, not to be flooded. */
const EVERY_MS = 8

/** Cancels arrive within milliseconds of the date at which the worker claims: both sides win some, never both one. */
export const races: Scenario = {
  name: 'races',
  claim: 'a cancel and a claim within milliseconds of the date: exactly one of them wins',
  queues: onBoth,
  play,
}

async function play({ full, openWorld, random, tell }: Stage): Promise<Played> {
  const count = full ? 10_000 : 100
  const world = await openWorld({ gracePeriod: `PT${GRACE_SECONDS}S` })
  await world.bystanders(20)
  await Promise.all([world.startApi(), world.startWorker(), world.startWorker()])
  const won = { cancel: 0, claim: 0, nobody: 0 }
  const running: Promise<void>[] = []
  let shift = 0
  for (let group = 0; group < count; group += GROUP) {
    const people = await world.people(GROUP, { pictureOf: 0, savedPasswords: 1 })
    const asked = await inTurn(people, (person) => served(() => world.client.delete(person)))
    const tokens = await tokensOf(world, people)
    for (const [n, person] of people.entries()) {
      const { id = '', eraseAfter = '' } = (asked[n]?.body.deletion ?? {}) as Record<string, string>
      claim(id !== '', `a deletion was answered with ${asked[n]?.status}`)
      const at = Date.parse(eraseAfter) + shift + random.between(-40, 400)
      const cancel = { person, id, token: tokens.get(person.id) ?? '', at }
      const settle = (winner: keyof typeof won) => {
        won[winner]++
        // So that both sides go on winning, however busy the machine is.
        shift = Math.max(0, shift + (winner === 'cancel' ? STEP_MS : -STEP_MS))
      }
      running.push(race(world, cancel).then(settle, () => settle('nobody')))
    }
    if (group % 2_000 === 0) tell(`${group + GROUP} of ${count} asked; so far ${inWords(won)}`)
  }
  await Promise.all(running)
  await world.settle(60)
  claim(won.nobody === 0, `${won.nobody} cancels had neither a 200 nor a 409`)
  claim(won.cancel > 0 && won.claim > 0, `only one side ever won: ${inWords(won)}`)
  return {
    summary: `${count.toLocaleString('en')} races: ${inWords(won)}`,
    checked: await world.check({ bound: 30 }),
  }
}

interface Cancel {
  person: Person
  id: string
  token: string
  at: number
}

/** Who won. */
async function race({ client }: World, { person, id, token, at }: Cancel) {
  await untilClock(at)
  const { status } = await served(() => client.cancel(person, id, token))
  return status === 200 ? 'cancel' : status === 409 ? 'claim' : 'nobody'
}

/** Begins one after the other, a few milliseconds apart, and waits for all. */
async function inTurn<T, R>(all: T[], act: (one: T) => Promise<R>): Promise<R[]> {
  const began = Date.now()
  return Promise.all(
    all.map(async (one, n) => {
      await untilClock(began + n * EVERY_MS)
      return act(one)
    }),
  )
}

function inWords({ cancel, claim }: { cancel: number; claim: number }): string {
  return `${cancel} won by the cancel and ${claim} by the claim`
}

/** The tokens of the cancel links, as the mails carry them, by person. */
async function tokensOf({ db, keys }: World, people: Person[]): Promise<Map<number, string>> {
  const { rows } = await sql<{ id: number; nonce: Buffer }>`
    select user_id as id, token_nonce as nonce from deletions
    where status = 'pending' and user_id = any(${people.map(({ id }) => id)}::bigint[])`.execute(db)
  return new Map(rows.map(({ id, nonce }) => [id, deletionToken(keys, nonce)]))
}
