import { readdir, utimes } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { longestLent, needlessCopies, type Takeover, takeoversAfter } from '../history/takeovers.ts'
import {
  claim,
  numberOn,
  onBoth,
  type Played,
  type Scenario,
  type ScenarioContext,
} from '../scenario.ts'
import type { Environment } from '../system/environment.ts'
import { type Ended, type Moment, startFleet } from '../system/fleet.ts'
import type { Random } from '../system/random.ts'
import { streamOfPeople } from '../system/stream.ts'

const TAKEN_OVER_WITHIN_MS = 15_000

/** How many archives one worker makes at once; it may die before it publishes any of them. */
const MAX_ARCHIVES_AT_ONCE = 16

export const workersKilled: Scenario = {
  name: 'workers-killed',
  claim:
    'workers killed mid-erase, mid-export, mid-mail: taken over within 15 s, and no work is done twice',
  queues: onBoth,
  play,
}

type Work = 'erase' | 'export' | 'mail'

interface MidWork extends Moment {
  /** Whether the worker holds the row when it dies; otherwise it was about to acquire it or has just finished. */
  holds: boolean
}

const database = (says: RegExp, is: Moment['is'], holds = true): MidWork => {
  return { link: 'toDatabase', says, is, holds }
}
const mail = (says: RegExp, is: Moment['is']): MidWork => {
  return { link: 'toMail', says, is, holds: true }
}

const claims = /^with before_a_trip as .* mine as \( select d\.id, d\.status as was/
const deletesPasswords = /^\/\* erase saved_passwords \*\//
const entersTombstones = /^update deletions set status = 'erased'/
const commitsErasure = /^commit after insert into "audit_events"/
const locksClaimed =
  /^select id, user_id as "userId", erased_counts as counts, files_missing as missing from deletions/
const takesExport = /^\/\* take exports \*\//
const readsAll = /^begin isolation level repeatable read /
const readsWish = /^select "exports"."id" as "exportId"/
const offersArchive = /^\/\* offer archives \*\//
const takesMail = /^\/\* take outbox \*\//
const readsFacts = /^\/\* read mails \*\//
const notesMail = /^\/\* finish mails \*\//

/** Every message before or after which a crash makes a difference. */
const moments: Record<Work, MidWork[]> = {
  erase: [
    database(claims, 'unheard', false),
    database(locksClaimed, 'unheard'),
    database(deletesPasswords, 'unheard'),
    database(deletesPasswords, 'done'),
    database(entersTombstones, 'done'),
    database(commitsErasure, 'unheard'),
    database(commitsErasure, 'done', false),
  ],
  export: [
    database(takesExport, 'unheard', false),
    database(readsWish, 'unheard'),
    database(readsAll, 'unheard'),
    database(readsAll, 'done'),
    database(offersArchive, 'unheard'),
    database(offersArchive, 'done', false),
  ],
  mail: [
    database(takesMail, 'unheard', false),
    database(readsFacts, 'unheard'),
    mail(/^MAIL/, 'unheard'),
    mail(/^MAIL/, 'done'),
    mail(/^the message/, 'unheard'),
    mail(/^the message/, 'done'),
    database(notesMail, 'unheard'),
    database(notesMail, 'done', false),
  ],
}

const tables: Record<Work, Takeover['table']> = {
  erase: 'deletions',
  export: 'exports',
  mail: 'outbox',
}

interface Kill extends Ended {
  work: Work
  moment: MidWork
}

async function play({
  full,
  openEnvironment,
  queue,
  random,
  print,
}: ScenarioContext): Promise<Played> {
  const [count, workers, open] = full ? [numberOn(queue, 200), 4, 20] : [3, 2, 6]
  const environment = await openEnvironment({ gracePeriod: full ? 'PT3S' : 'PT0S' })
  environment.sink.respond(() => wait(random.between(10, 150), 'accepted'))
  await environment.bystanders(20)
  const [, fleet] = await Promise.all([environment.startApi(), startFleet(environment, workers)])
  const stop = new AbortController()
  const stream = streamOfPeople(environment, { open }, stop.signal)
  // The stream can only fail while it runs; after it ends, this promise never settles.
  const failed = stream.then(() => new Promise<never>(() => {}))
  failed.catch(() => {})

  const kills: Kill[] = []
  for (const [n, work] of shuffledWork(random, count).entries()) {
    const moment = random.pick(moments[work])
    await fleet.waitUntilRunning(full ? workers - 1 : 1)
    const ended = await Promise.race([fleet.killAt(moment), failed]).catch(async (error: Error) => {
      throw new Error(`${error.message}; left: ${await environment.left()}`)
    })
    kills.push({ work, moment, ...ended })
    if ((n + 1) % 20 === 0) print(`${n + 1} of ${count} killed`)
  }
  stop.abort()
  const people = await stream
  await fleet.waitUntilRunning()
  const partsBack = new Date()
  await environment.settle(90)
  const checked = await environment.check({ partsBack, bound: 60 })
  const taken = await takeoversAfter(environment.db, endsOf(kills))
  claimInFlight(kills, taken)
  const seconds = await claimTakenOver(environment, taken)
  const copies = await claimNoDoubleEffect(environment, kills)
  const left = await claimCollected(environment, kills)
  const each = (['erase', 'export', 'mail'] as const).map(
    (work) => `${kills.filter((kill) => kill.work === work).length} mid-${work}`,
  )
  return {
    summary: `${count} kills (${each.join(', ')}) over ${people} deletions; ${taken.length} rows taken over ${seconds}; ${copies}; ${left}`,
    checked,
  }
}

/** The same number of each kind, in random order. */
function shuffledWork(random: Random, count: number): Work[] {
  const works: Work[] = ['erase', 'export', 'mail']
  const all = Array.from({ length: count }, (_, n) => works[n % 3] as Work)
  return all
    .map((work) => ({ work, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ work }) => work)
}

const endsOf = (kills: Kill[]) => kills.map(({ worker, at }) => ({ worker, at }))

/**
 * Checks that each fault happened: the worker held such a row when it died, or was at its first or last message about
 * one.
 */
function claimInFlight(kills: Kill[], taken: Takeover[]): void {
  for (const { worker, work, moment } of kills) {
    const held = taken.filter((row) => row.worker === worker && row.table === tables[work]).length
    claim(held > 0 || !moment.holds, `${worker} died at ${moment.says} and held nothing to ${work}`)
  }
}

function percentilesOf(values: (number | null)[]) {
  const sorted = values.map((value) => value ?? 0).sort((a, b) => a - b)
  const at = (share: number) =>
    Number((sorted.at(Math.ceil(share * sorted.length) - 1) ?? 0).toFixed(1))
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

async function claimTakenOver(environment: Environment, taken: Takeover[]): Promise<string> {
  const never = taken.filter((row) => row.lent === null || row.taken === null).length
  claim(never === 0, `${never} rows of killed workers were not taken over`)
  const [lent, begun] = [
    percentilesOf(taken.map((row) => row.lent)),
    percentilesOf(taken.map((row) => row.taken)),
  ]
  const waited = await longestLent(environment.db)
  const words = `after ${begun.p50} s in the median, ${begun.p99} s at p99, ${begun.max} s at most`
  const details = `queued again within ${lent.max} s, taken from the queue within ${waited.seconds.toFixed(1)} s`
  const within = async (what: string, seconds: number, from?: Date) => {
    const begin = from && environment.mark(from)
    await environment.claimWithin(
      `${what} (${details}; ${words})`,
      seconds * 1_000,
      TAKEN_OVER_WITHIN_MS,
      begin === undefined ? undefined : { begin, end: begin + seconds * 1_000 },
    )
  }
  // The worker that takes over may be killed as well, so the two waits have separate bounds.
  for (const { lent, endedAt } of taken)
    await within('the takeover of a row of a killed worker', lent ?? 0, endedAt)
  await within('acquiring a dispatched row', waited.seconds, waited.from)
  await within('the median takeover', begun.p50)
  return `${words} (${details})`
}

/** Checks effects that the invariants do not cover; returns how many mails came twice, which is unavoidable. */
async function claimNoDoubleEffect(environment: Environment, kills: Kill[]): Promise<string> {
  const { db, sink } = environment
  const { rows } = await sql<{ breach: string }>`
    select format('user %s was deleted %s times', user_id, count(*)) as breach from chaos.log
    where table_name = 'users' and operation = 'DELETE' group by user_id having count(*) > 1
    union all
    select format('export %s was offered %s times', is_now->>'id', count(*)) from chaos.log
    where table_name = 'exports' and is_now->>'status' = 'ready' and was->>'status' <> 'ready'
    group by is_now->>'id' having count(*) > 1
    union all
    select format('deletion %s has %s exports', deletion_id, count(*)) from public.exports
    group by deletion_id having count(*) > 1`.execute(db)
  const copied = await needlessCopies(db, endsOf(kills))
  claim(rows.length + copied.length === 0, [...rows.map((row) => row.breach), ...copied].join('\n'))

  const taken = sink.offers.filter(({ verdict }) => verdict === 'accepted')
  const copies = taken.length - new Set(taken.map(({ messageId }) => messageId)).size
  return `${copies} mails of ${taken.length} came twice`
}

/**
 * Files of killed workers stay for a day. Each file must be recorded as an attempt in this database; after the exports
 * expire and the files are a day old, the next worker must remove all of them.
 */
async function claimCollected(environment: Environment, kills: Kill[]): Promise<string> {
  const { db, exportDir } = environment
  const { rows } = await sql<{ name: string; isNamed: boolean }>`
    select a.export_id || '.' || a.lease || '.zip.age' as name,
      e.file_name is not distinct from a.export_id || '.' || a.lease || '.zip.age' as "isNamed"
    from lethe.archive_attempts a join public.exports e on e.id = a.export_id`.execute(db)
  const recorded = new Map(rows.map(({ name, isNamed }) => [name, isNamed]))
  const names = (await archivesIn(exportDir)).map((file) => file.replace(/\.part$/, ''))
  const unknown = names.filter((name) => !recorded.has(name))
  claim(unknown.length === 0, `${unknown.length} archives were written without a record of the try`)
  const dead = names.filter((name) => !recorded.get(name)).length
  claim(
    dead <= kills.length * MAX_ARCHIVES_AT_ONCE,
    `${dead} archives are there that no export names`,
  )

  await sql`update public.exports set expires_at = now() where status = 'ready'`.execute(db)
  const areOver = async () => {
    const ready = db.selectFrom('exports').select('id').where('status', '=', 'ready')
    return (await ready.execute()).length === 0
  }
  await until('the exports are over', areOver)
  const longAgo = new Date(Date.now() - 2 * 24 * 60 * 60 * 1_000)
  // An expired archive may be removed at this moment.
  for (const file of await archivesIn(exportDir))
    await utimes(path.join(exportDir, file), longAgo, longAgo).catch(() => {})
  await sql`update lethe.archive_attempts
    set begun_at = now() - interval '2 days', next_check_at = now()`.execute(db)
  await environment.startWorker()
  const isEmpty = async () => (await archivesIn(exportDir)).length === 0
  await until('no archive is left', isEmpty)
  return `${dead} archives of dead tries were left, and went after a day`
}

async function archivesIn(exportDir: string): Promise<string[]> {
  return (await readdir(exportDir)).filter((name) => !name.startsWith('.'))
}
