import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Db } from '@lethe/db'
import { type Keys, verifyAuditChain } from '@lethe/lifecycle'
import { sql } from 'kysely'
import type { Offer } from '../system/mail-sink.ts'
import { type ArchiveFault, faultsOfArchives, haveFiles } from './files.ts'
import { invariants } from './invariants.ts'

/** A request to the API and its answer. */
export interface Answer {
  /**
   * `delete`, `cancel`, `log-in`, `use` (of a session or token), `refresh`, `archive`, or another name that only the
   * record needs.
   */
  what: string
  userId?: number | undefined
  deletionId?: string | undefined
  /** Identifies a session or token without its secret, so that its later uses can be matched. */
  credential?: string | undefined
  sent: number
  answered?: number | undefined
  /** Undefined: the connection broke and the outcome is unknown. */
  status?: number | undefined
  detail?: string | undefined
}

export interface Checked {
  changes: number
  answers: number
  mails: number
  deletions: number
  archives: number
}

/** Also lists the claims that could not be judged, one sentence each. */
export interface CheckedOrNot extends Checked {
  unjudged: string[]
}

export interface Recorder {
  /** The next sequence number of the run; smaller means earlier. */
  tick(): number
  note(answer: Answer): void
  /** Records what these people have now, which must not change. For a bystander, no change at all is allowed. */
  remember(people: { id: number; address: string }[], bystander?: boolean): Promise<void>
  /**
   * Checks every invariant on the whole record and throws the breaches, one sentence each. A breach of `bound` that
   * disappears with a bound `slower` times longer cannot be judged.
   */
  check(rest: {
    partsBack?: Date | undefined
    bound: number
    slower?: number
  }): Promise<CheckedOrNot>
}

interface Sources {
  db: Db
  uploadDir: string
  exportDir: string
  keys: Keys
  offers: Offer[]
}

const ROWS = 5_000

/** Creates the record in this database, and keeps in memory what happens outside of it. */
export async function startRecorder(sources: Sources): Promise<Recorder> {
  const { db, uploadDir } = sources
  await sql.raw(await readFile(path.join(import.meta.dirname, 'record.sql'), 'utf8')).execute(db)
  const began = new Date()
  const answers: Answer[] = []
  let ticks = 0
  return {
    tick: () => ++ticks,
    note: (answer) => void answers.push(answer),
    async remember(people, bystander = false) {
      const owners = await haveFiles(uploadDir)
      await sql`
        insert into chaos.people (user_id, address, bystander, had, has_files)
        select id, address, ${bystander}, chaos.possessions(id), id = any(${[...owners]}::bigint[])
        from unnest(${people.map(({ id }) => id)}::bigint[], ${people.map(({ address }) => address)}::text[])
          as p (id, address)
        on conflict (user_id) do update set had = excluded.had, has_files = excluded.has_files`.execute(
        db,
      )
      // The inserts that made them are not part of the run.
      await sql`delete from chaos.changes where user_id = any(${people.map(({ id }) => id)}::bigint[])
        and ${bystander}`.execute(db)
    },
    async check({ partsBack = began, bound, slower = 1 }) {
      await load(sources, answers)
      const chain = await chainFaults(db)
      const breaches: string[] = []
      const unjudged: string[] = []
      for (const { name, claim, breaches: query } of invariants) {
        const within = async (seconds: number) => {
          const { rows } = await sql<{ breach: string }>`
            ${query({ partsBack, bound: seconds, chain })} limit 20`.execute(db)
          return rows.map(({ breach }) => `${name} (${claim}): ${breach}`)
        }
        const found = await within(bound)
        const broken = found.length > 0 ? await within(bound * slower) : []
        breaches.push(...broken)
        if (found.length > 0 && broken.length === 0)
          unjudged.push(`${found[0]}, on a machine ${slower.toFixed(1)} times slower`)
      }
      if (breaches.length > 0) throw new Error(breaches.join('\n'))
      return { ...(await count(db, answers.length)), unjudged }
    },
  }
}

async function load(sources: Sources, answers: Answer[]): Promise<void> {
  const { db, offers, uploadDir } = sources
  await sql`truncate chaos.answers, chaos.mails, chaos.archives`.execute(db)
  await insertAll(db, 'chaos.answers', answers.map(answerRow))
  await insertAll(db, 'chaos.mails', offers.map(mailRow))
  await insertAll(db, 'chaos.archives', (await faultsOfArchives(sources)).map(archiveRow))
  const owners = [...(await haveFiles(uploadDir))]
  await sql`update chaos.people set files = user_id = any(${owners}::bigint[])`.execute(db)
  await sql`refresh materialized view chaos.log`.execute(db)
  await sql`refresh materialized view chaos.lives`.execute(db)
  await sql`analyze chaos.answers, chaos.mails, chaos.people, chaos.log, chaos.lives, public.users, public.deletions, public.outbox, public.exports, public.audit_events`.execute(
    db,
  )
}

async function insertAll(db: Db, table: string, rows: object[]): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS) {
    const some = JSON.stringify(rows.slice(from, from + ROWS))
    const columns = sql.join(Object.keys(rows[0] ?? {}).map((name) => sql.ref(name)))
    await sql`insert into ${sql.table(table)} (${columns})
      select ${columns} from jsonb_populate_recordset(null::${sql.table(table)}, ${some}::jsonb)`.execute(
      db,
    )
  }
}

function answerRow(answer: Answer) {
  const { what, userId, deletionId, credential, sent, answered, status, detail } = answer
  const ids = { user_id: userId ?? null, deletion_id: deletionId ?? null }
  const rest = { answered: answered ?? null, status: status ?? null, detail: detail ?? null }
  return { what, ...ids, credential: credential ?? null, sent, ...rest }
}

function mailRow({ at, recipient, messageId, subject, verdict }: Offer, seq: number) {
  return { seq, at, recipient, message_id: messageId, subject, verdict }
}

function archiveRow({ exportId, fault }: ArchiveFault) {
  return { export_id: exportId, fault: fault ?? null }
}

async function chainFaults(db: Db): Promise<string[]> {
  const { brokenAt, unsealed } = await verifyAuditChain(db)
  return [
    ...(brokenAt === undefined ? [] : [`the chain breaks at position ${brokenAt}`]),
    ...(unsealed === 0 ? [] : [`${unsealed} events are not in the chain`]),
  ]
}

async function count(db: Db, answers: number): Promise<Checked> {
  const { rows } = await sql<Omit<Checked, 'answers'>>`
    select (select count(*) from chaos.log) as changes, (select count(*) from chaos.mails) as mails,
      (select count(*) from chaos.lives) as deletions, (select count(*) from chaos.archives) as archives`.execute(
    db,
  )
  return { changes: 0, mails: 0, deletions: 0, archives: 0, ...rows[0], answers }
}
