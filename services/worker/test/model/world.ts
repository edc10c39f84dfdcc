import type { Session } from '@lethe/accounts'
import type {
  AuditEventName,
  Counts,
  DeletionStatus,
  ExportStatus,
  MailName,
  MailStatus,
  Role,
} from '@lethe/db'
import type { JobName } from '@lethe/queue'
import type { Step } from '../smtp-sink.ts'

/** Milliseconds since 1970, on the model's clock. */
type Instant = number

/** The state of the model: plain data, so that it can be cloned. Objects refer to each other by their index in these lists. */
export interface World {
  /** The names of the commands so far. */
  done: string[]
  now: Instant
  /** The answer of the mail server. */
  smtp: { at: Step; code: number }
  /** Every account that was ever created. */
  people: ModelPerson[]
  /** Every session that was ever created. */
  sessions: ModelSession[]
  deletions: Deletion[]
  mails: Mail[]
  events: Event[]
  /** The value of each lease in the database, once it has been observed. */
  leases: (string | undefined)[]
  /** Every job that was ever queued. Its lease is live while a row has it. */
  jobs: Job[]
  /** Workers that paused during a job and may resume at any later time. */
  pausedWorkers: PausedWorker[]
}

export interface ModelPerson {
  id: number | undefined
  email: string
  password: string
  role: Role
  active: boolean
  erased: boolean
  createdAt: Instant
  saved: { site: string; secret: string; at: Instant }[]
  /** Size in bytes. */
  avatar: number | undefined
}

export interface ModelSession {
  id: string | undefined
  person: number
  kind: Session['kind']
  authenticatedAt: Instant
  expiresAt: Instant
  ended: boolean
  /** The number of refreshes so far. */
  refreshes: number
  /** The token hash in the database after each refresh, once it has been observed. */
  hashes: (string | undefined)[]
  /** The client's copy, unless the answer was lost: all tokens, including used ones. */
  held: { session: Session; tokens: (string | undefined)[] } | undefined
}

/** `lease` is an index in `leases`, or null if the row is free. */
export interface Leased {
  lease: number | null
  nextAttemptAt: Instant
  attempts: number
}

export interface Deletion extends Leased {
  id: string | undefined
  token: string | undefined
  person: number
  by: 'owner' | 'administrator'
  status: DeletionStatus
  requestedAt: Instant
  eraseAfter: Instant
  nextReminderAt: Instant | null
  cancelledAt: Instant | null
  claimedAt: Instant | null
  erasedAt: Instant | null
  counts: Counts | null
  export: Export
}

interface Export extends Leased {
  token: string | undefined
  status: ExportStatus
  createdAt: Instant | null
  expiresAt: Instant | null
  /** Whether the row names an archive. */
  archive: boolean
}

export interface Mail extends Leased {
  id: string | undefined
  mail: MailName
  deletion: number
  address: string | null
  status: MailStatus
  createdAt: Instant
  finishedAt: Instant | null
  /** The recipient, once for each time that the server accepted the mail. */
  sentTo: string[]
  purged: boolean
}

interface Event {
  deletion: number
  event: AuditEventName
  by: Deletion['by'] | undefined
  at: Instant
  sealed: boolean
}

interface Job {
  name: JobName
  lease: number
}

/** `work` is what the paused worker of the system needs to resume. */
export type PausedWorker =
  | { name: 'erase-accounts'; lease: number; deletions: number[]; work: unknown }
  | { name: 'export-accounts'; lease: number; deletions: number[]; work: unknown }

export const START_TIME: Instant = Date.UTC(2027, 0, 1)

export function emptyWorld(): World {
  return {
    done: [],
    now: START_TIME,
    smtp: { at: 'RCPT', code: 0 },
    people: [],
    sessions: [],
    deletions: [],
    mails: [],
    events: [],
    leases: [],
    jobs: [],
    pausedWorkers: [],
  }
}

/** The index of the account with this address that is not erased, active or not. */
export function findAccount(world: World, email: string): number | undefined {
  const index = world.people.findIndex(
    (person) => !person.erased && person.email.toLowerCase() === email.toLowerCase(),
  )
  return index < 0 ? undefined : index
}

/** The password of the account with this address. */
export function passwordOf(world: World, email: string): string | undefined {
  const index = findAccount(world, email)
  return index === undefined ? undefined : personOf(world, index).password
}

export function personOf(world: World, index: number): ModelPerson {
  return world.people[index] as ModelPerson
}

export function deletionOf(world: World, index: number): Deletion {
  return world.deletions[index] as Deletion
}

/** Neither cancelled nor erased. */
export function isOpen({ status }: Deletion): boolean {
  return status === 'pending' || status === 'erasing'
}

/** The newest deletion of a person. */
export function latestDeletion(world: World, person: number): Deletion | undefined {
  return world.deletions.findLast((deletion) => deletion.person === person)
}

export function recordEvent(
  world: World,
  deletion: number,
  event: AuditEventName,
  by?: Deletion['by'],
): void {
  world.events.push({ deletion, event, by, at: world.now, sealed: false })
}

export function stageMail(
  world: World,
  deletion: number,
  mail: MailName,
  address: string | null = null,
): void {
  world.mails.push({
    id: undefined,
    mail,
    deletion,
    address,
    status: 'pending',
    createdAt: world.now,
    finishedAt: null,
    sentTo: [],
    purged: false,
    lease: null,
    nextAttemptAt: world.now,
    attempts: 0,
  })
}
