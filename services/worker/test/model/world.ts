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

/** All that the model knows: plain data, so that it can be copied. Others are named by their place in these lists. */
export interface World {
  /** In words, what was done. */
  done: string[]
  now: Instant
  /** What the mail server answers. */
  smtp: { at: Step; code: number }
  /** Everybody who ever signed up. */
  people: ModelPerson[]
  /** Every log-in there ever was. */
  sessions: ModelSession[]
  deletions: Deletion[]
  mails: Mail[]
  events: Event[]
  /** The name of each lease in the database, once it was seen. */
  leases: (string | undefined)[]
  /** Every job that was ever queued; whether anybody still waits for it stands in the rows. */
  jobs: Job[]
  /** Workers that stopped half-way, and may go on at any later time. */
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
  /** Bytes. */
  avatar: number | undefined
}

export interface ModelSession {
  id: string | undefined
  person: number
  kind: Session['kind']
  authenticatedAt: Instant
  expiresAt: Instant
  ended: boolean
  /** How often it was refreshed. */
  refreshes: number
  /** What the database holds of the token of each turn, once it was seen. */
  hashes: (string | undefined)[]
  /** What the person holds of it, unless the answer was lost: all tokens, the used ones too. */
  held: { session: Session; tokens: (string | undefined)[] } | undefined
}

/** The lease's place in `leases`; null: it is nobody's. */
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
  /** To whom it went, once for each time that the server took it. */
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

/** `work` is what it needs to go on, once the real one has stopped too. */
export type PausedWorker =
  | { name: 'erase-accounts'; lease: number; deletions: number[]; work: unknown }
  | { name: 'export-accounts'; lease: number; deletions: number[]; work: unknown }

export const START_TIME: Instant = Date.UTC(2027, 0, 1)

export function emptyWorld(): World {
  return {
    done: [],
    now: START_TIME,
    smtp: { at: 'RCPT', code: 0 },
    ...{ people: [], sessions: [], deletions: [], mails: [], events: [] },
    ...{ leases: [], jobs: [], pausedWorkers: [] },
  }
}

/** Whoever has this address now, active or not. */
export function findActiveAccount(world: World, email: string): number | undefined {
  const index = world.people.findIndex(
    (person) => !person.erased && person.email.toLowerCase() === email.toLowerCase(),
  )
  return index < 0 ? undefined : index
}

/** Of whoever has this address now. */
export function passwordOf(world: World, email: string): string | undefined {
  const index = findActiveAccount(world, email)
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
    ...{ id: undefined, mail, deletion, address, status: 'pending', createdAt: world.now },
    ...{ finishedAt: null, sentTo: [], purged: false },
    ...{ lease: null, nextAttemptAt: world.now, attempts: 0 },
  })
}
