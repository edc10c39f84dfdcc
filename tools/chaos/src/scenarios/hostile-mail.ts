import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '@lethe/dev-env'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import {
  claim,
  numberOn,
  onBoth,
  type Played,
  type Scenario,
  type ScenarioContext,
} from '../scenario.ts'
import { type Client, createClient, requestDeletion } from '../system/client.ts'
import type { Environment } from '../system/environment.ts'
import type { Offer } from '../system/mail-sink.ts'
import type { TestPerson } from '../system/people.ts'
import { type Hostility, percent, startHostility } from './hostility.ts'

/** How many mails the worker sends at once. */
const MAIL_CONCURRENCY = 10
const CLIENTS = 20

/** Sends three mails per person to a server that fails for half of the offers. */
export const hostileMail: Scenario = {
  name: 'hostile-mail',
  claim:
    'a mail server that drops, refuses, hangs and is slow: every mail leaves or is marked undeliverable, none is offered again after a 5xx, and no other work waits',
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
  const [people, soon] = full ? [numberOn(queue, 1_650), numberOn(queue, 100)] : [28, 6]
  const environment = await openEnvironment({ gracePeriod: 'P27D', direct: true })
  const hostility = startHostility(environment.sink, random, {
    hangSeconds: full ? [10, 15] : [1, 2],
    dead: full ? MAIL_CONCURRENCY : 0,
  })
  await environment.bystanders(5)
  const port = String(await freePort())
  const [, sooner] = await Promise.all([
    environment.startApi(),
    environment.startApi({ PORT: port, GRACE_PERIOD: 'PT3S' }),
    environment.startWorker(),
  ])
  const began = Date.now()
  await askAll(createClient(sooner.url, environment.recorder), await makePeople(environment, soon))
  await until('the erasures', () => areErased(environment, soon), 120_000)
  const erased = Date.now()
  const early = environment.sink.offers.filter(({ verdict }) => verdict === 'accepted').length
  print(`${soon} people were erased after ${seconds(began)} s, with ${early} mails taken`)
  await environment.claimUnlessSlow(
    !full || early === 0,
    'the erasures came after the mails, and show nothing',
    { begin: environment.mark(new Date(began)), end: environment.mark(new Date(erased)) },
  )
  await askAll(environment.client, await makePeople(environment, people))
  await remindAll(environment)
  await until('every export', () => noExportIsPending(environment), 480_000)
  print(
    `every export was made after ${seconds(began)} s; ${await pendingMails(environment)} mails wait`,
  )
  await untilTheLastMail(environment, full ? 480_000 : 60_000)
  await environment.settle(30)

  const checked = await environment.check({ bound: full ? 60 : 30 })
  await claimNoRetryAfter5xx(environment)
  // The few mails of the short form and of the second queue need not meet every failure.
  claimShares(hostility, environment.sink.offers.length, full && queue === 'redis')
  const pace = paceOf(environment.sink.offers)
  if (full)
    await environment.claimWithin('the longest time without a mail', pace.silence * 1_000, 20_000, {
      begin: environment.mark(pace.silentFrom),
      end: environment.mark(pace.silentTo),
    })
  const { observed, greetings } = hostility
  const begun = Object.entries(greetings).map(([greeting, times]) => `${times} ${greeting}`)
  return {
    summary: `${checked.mails.toLocaleString('en')} offers: ${observed.accepted} taken, ${observed.dropped} dropped after the dot, ${observed['refused-4']} refused for now, ${observed['refused-5']} for good, ${observed.hung} left hanging for 10 to 15 s, ${observed.dead} for ever; greetings ${begun.join(', ')}; ${pace.perSecond} mails/s, never more than ${pace.silence} s without one, ${soon} erasures within ${Math.round((erased - began) / 1_000)} s meanwhile; gaps between tries cut short`,
    checked,
  }
}

const makePeople = (environment: Environment, count: number) =>
  environment.people(count, { pictureOf: 0, savedPasswords: 1 })

async function askAll(client: Client, people: TestPerson[]): Promise<void> {
  const waiting = [...people]
  const ask = async () => {
    for (let person = waiting.pop(); person; person = waiting.pop())
      await requestDeletion(client, person)
  }
  await Promise.all(Array.from({ length: CLIENTS }, ask))
}

/** Makes every reminder due now. */
async function remindAll({ db }: Environment): Promise<void> {
  await sql`update public.deletions set next_reminder_at = now() where status = 'pending'`.execute(
    db,
  )
}

/** Retry gaps grow to hours, so this skips every gap beyond the first of five seconds, again and again. */
async function untilTheLastMail(environment: Environment, timeoutMs: number): Promise<void> {
  await until(
    'the last mail',
    async () => {
      await sql`update public.outbox set next_attempt_at = now()
        where status = 'pending' and lease is null and next_attempt_at > now() + interval '5 seconds'`.execute(
        environment.db,
      )
      await wait(500)
      return (await pendingMails(environment)) === 0
    },
    timeoutMs,
  )
}

/** A 5xx at RCPT TO names no mail, so the refusals per address must equal the mails that were given up. */
async function claimNoRetryAfter5xx({ db }: Environment): Promise<void> {
  const { rows } = await sql<{ address: string; refused: number; given: number }>`
    with refused as (
      select recipient as address, count(*) as times from chaos.mails where verdict = 'refused-5' group by 1
    ), given as (
      select p.address, count(*) as times from public.outbox o
      join chaos.lives l on l.deletion_id = o.deletion_id join chaos.people p on p.user_id = l.user_id
      where o.status = 'undeliverable' group by 1
    )
    select address, coalesce(refused.times, 0) as refused, coalesce(given.times, 0) as given
    from refused full join given using (address) where refused.times is distinct from given.times`.execute(
    db,
  )
  const [odd] = rows
  claim(!odd, `${odd?.refused} mails were refused for good for an address, ${odd?.given} given up`)
  const { rows: taken } = await sql`
    select from public.outbox o join chaos.mails m on m.outbox_id = o.id
    where o.status = 'undeliverable' and m.verdict = 'accepted'`.execute(db)
  claim(taken.length === 0, `${taken.length} mails were given up although they were taken`)
}

/** Checks that the server failed as often as intended. */
function claimShares({ observed, greetings }: Hostility, offers: number, many: boolean): void {
  for (const [fate, meant] of Object.entries(percent)) {
    const share = (100 * observed[fate as keyof typeof percent]) / offers
    const near = many ? Math.abs(share - meant) < Math.max(1, meant / 6) : meant < 5 || share > 0
    claim(near, `${share.toFixed(1)} % of the offers were ${fate} instead of ${meant} %`)
  }
  const missed = Object.entries(greetings).find(([, times]) => times === 0)
  claim(!many || !missed, `no connection began with the greeting ${missed?.[0]}`)
}

/** From the first accepted mail until 95 percent are accepted; the rest wait for their next try. */
function paceOf(offers: Offer[]) {
  const all = offers.filter(({ verdict }) => verdict === 'accepted')
  const times = all.slice(0, Math.ceil(all.length * 0.95)).map(({ at }) => at.getTime())
  const took = Math.max(1, (times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000
  let [silentFrom, silentTo] = [times[0] ?? 0, times[0] ?? 0]
  for (const [n, time] of times.slice(1).entries()) {
    const previous = times[n] ?? time
    if (time - previous > silentTo - silentFrom) [silentFrom, silentTo] = [previous, time]
  }
  return {
    perSecond: Math.round(times.length / took),
    silence: Math.round((silentTo - silentFrom) / 1_000),
    silentFrom: new Date(silentFrom),
    silentTo: new Date(silentTo),
  }
}

async function pendingMails({ db }: Environment): Promise<number> {
  const { rows } = await sql<{ pending: number }>`
    select count(*) as pending from public.outbox where status = 'pending'`.execute(db)
  return rows[0]?.pending ?? 0
}

async function areErased({ db }: Environment, count: number): Promise<boolean> {
  const { rows } = await sql`select from public.deletions where status = 'erased'`.execute(db)
  return rows.length === count
}

async function noExportIsPending({ db }: Environment): Promise<boolean> {
  const { rows } = await sql`select from public.exports where status = 'pending' limit 1`.execute(
    db,
  )
  return rows.length === 0
}

const seconds = (since: number) => Math.round((Date.now() - since) / 1_000)
