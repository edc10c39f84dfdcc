import { setTimeout as wait } from 'node:timers/promises'
import { sql } from 'kysely'
import { claim, onBoth, type Played, type Scenario, type Stage } from '../scenario.ts'
import type { Judge, Verdict } from '../system/mail-sink.ts'
import type { Random } from '../system/random.ts'
import { until } from '../system/until.ts'
import type { World } from '../system/world.ts'

/** Of each hundred offers; what is left is taken. */
const PERCENT = { dropped: 20, 'refused-4': 20, 'refused-5': 5 } as const
/** Of a thousand: silence, and then the line is dead. */
const HANGS_PER_MILLE = 4
const DRIPS_PER_MILLE = 20
const ABREAST = 20

/** Two mails for each person, to a server that is rude to nearly half of what it is offered. */
export const hostileMail: Scenario = {
  name: 'hostile-mail',
  claim:
    'a mail server that drops, refuses, hangs and drips: every mail leaves or is marked undeliverable, none is offered again after a 5xx',
  queues: onBoth,
  play,
}

type Seen = Record<Verdict | 'hung' | 'dripped', number>

async function play({ full, openWorld, queue, random, tell }: Stage): Promise<Played> {
  const people = full ? (queue === 'redis' ? 2_500 : 1_000) : 40
  const world = await openWorld({ gracePeriod: 'P27D' })
  const seen: Seen = {
    ...{ accepted: 0, dropped: 0, 'refused-4': 0, 'refused-5': 0, hung: 0, dripped: 0 },
  }
  world.sink.judge(rudeJudge(random, seen, full ? 15_000 : 2_000))
  await world.bystanders(5)
  await Promise.all([world.startApi(), world.startWorker()])
  const began = Date.now()
  const group = await world.people(people, { pictureOf: 0, savedPasswords: 1 })
  await Promise.all(
    Array.from({ length: ABREAST }, async () => {
      for (let person = group.pop(); person; person = group.pop()) {
        const one = person
        await until('an answer to a deletion', async () => {
          const { status } = await world.client.delete(one)
          return status === 202
        })
      }
    }),
  )
  await until('every export', () => noExportIsPending(world), full ? 180 : 30)
  tell(`every export was made after ${seconds(began)} s; ${await pendingMails(world)} mails wait`)
  await lastMail(world, full ? 420 : 45)
  const took = seconds(began)
  const offers = world.sink.offers.length
  const given = await givenUp(world)
  claim(
    given === seen['refused-5'],
    `${seen['refused-5']} were refused for good, ${given} given up`,
  )
  for (const [verdict, percent] of Object.entries(PERCENT)) {
    const share = (100 * seen[verdict as keyof typeof PERCENT]) / offers
    const near = full ? share > percent - 3 && share < percent + 3 : share > 0
    claim(near, `${share.toFixed(1)} % of the offers were ${verdict}, not about ${percent} %`)
  }
  claim(!full || (seen.hung > 0 && seen.dripped > 0), 'nothing hung, or nothing dripped')
  const { accepted, dropped, hung, dripped } = seen
  return {
    summary: `${(2 * people).toLocaleString('en')} mails in ${offers.toLocaleString('en')} offers: ${accepted} taken (${dripped} dripping), ${dropped} dropped after the dot, ${seen['refused-4']} refused for now, ${given} for good, ${hung} hung; all done in ${took} s, gaps between tries cut short`,
    checked: await world.check({ bound: 60 }),
  }
}

/** A refusal may come at RCPT TO or after the message, a drop only after the final dot. */
function rudeJudge(random: Random, seen: Seen, silence: number): Judge {
  const refusals: Verdict[] = ['refused-4', 'refused-5']
  const decided = (verdict: Verdict) => {
    seen[verdict]++
    return verdict
  }
  const fates = new Map<string, Verdict>()
  return async ({ at, recipient, drip }) => {
    const key = recipient
    if (at === 'RCPT') {
      const fate = anyFate(random)
      const early = refusals.includes(fate) && random.chance(0.5)
      if (early) return decided(fate)
      fates.set(key, fate)
      return 'accepted'
    }
    const fate = fates.get(key) ?? 'accepted'
    if (random.chance(DRIPS_PER_MILLE / 1_000)) {
      seen.dripped++
      drip()
    }
    if (random.chance(HANGS_PER_MILLE / 1_000)) {
      seen.hung++
      await wait(silence)
      return decided('dropped')
    }
    return decided(fate)
  }
}

function anyFate(random: Random): Verdict {
  let at = random.next() * 100
  for (const [verdict, percent] of Object.entries(PERCENT)) {
    if (at < percent) return verdict as Verdict
    at -= percent
  }
  return 'accepted'
}

/** The gaps between tries grow to hours: each time that all who are free wait for theirs, it is as if they had passed. */
async function lastMail(world: World, within: number): Promise<void> {
  await until(
    'the last mail',
    async () => {
      await sql`update outbox set next_attempt_at = now()
        where status = 'pending' and lease is null and next_attempt_at > now() + interval '5 seconds'`.execute(
        world.db,
      )
      return (await pendingMails(world)) === 0
    },
    within,
  )
  await world.settle(30)
}

async function pendingMails({ db }: World): Promise<number> {
  const { rows } = await sql<{ pending: number }>`
    select count(*) as pending from outbox where status = 'pending'`.execute(db)
  return rows[0]?.pending ?? 0
}

async function givenUp({ db }: World): Promise<number> {
  const { rows } = await sql<{ given: number }>`
    select count(*) as given from outbox where status = 'undeliverable'`.execute(db)
  return rows[0]?.given ?? 0
}

async function noExportIsPending({ db }: World): Promise<boolean> {
  const { rows } = await sql`select from exports where status = 'pending' limit 1`.execute(db)
  return rows.length === 0
}

const seconds = (since: number) => Math.round((Date.now() - since) / 1_000)
