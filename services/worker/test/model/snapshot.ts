import { deletionToken, exportToken, type Keys } from '@lethe/lifecycle'
import type { Rows } from './rows.ts'
import { sorted } from './sorted.ts'
import { type Deletion, type Leased, personOf, type World } from './world.ts'

// Snapshots of the model and of the rows have the same form, so a test can compare them. Columns that the model does not
// know are left out.

export function snapshotOfModel(world: World) {
  const living = world.people.filter(({ erased }) => !erased)
  const lease = (row: Leased) => ({
    lease: row.lease === null ? null : (world.leases[row.lease] ?? 'not yet seen'),
    nextAttemptAt: row.nextAttemptAt,
    attempts: row.attempts,
  })
  const idOf = (deletion: number) => world.deletions[deletion]?.id ?? 'not yet seen'
  const userOf = ({ person }: Pick<Deletion, 'person'>) => {
    const { erased, id = 'not yet seen' } = personOf(world, person)
    return erased ? null : id
  }
  return {
    people: sorted(
      living.map(({ id, email, role, active, createdAt }) => ({
        id,
        email,
        role,
        active,
        createdAt,
      })),
    ),
    keys: sorted(living.map(({ id }) => id)),
    saved: sorted(
      living.flatMap(({ id, saved }) => saved.map(({ site, at }) => ({ user: id, site, at }))),
    ),
    avatars: sorted(
      living.flatMap(({ id, avatar }) => (avatar ? [{ user: id, bytes: avatar }] : [])),
    ),
    sessions: sorted(
      world.sessions
        .filter(({ ended }) => !ended)
        .map((session) => {
          const { id, kind, authenticatedAt, expiresAt, hashes, refreshes } = session
          const token = hashes[refreshes] ?? 'not yet seen'
          return { id, user: userOf(session), kind, authenticatedAt, expiresAt, token }
        }),
    ),
    deletions: sorted(
      world.deletions.map((deletion) => {
        const { id, status, requestedAt, eraseAfter, nextReminderAt, ...more } = deletion
        const { cancelledAt, claimedAt, erasedAt, counts } = more
        return {
          id,
          user: userOf(deletion),
          status,
          requestedAt,
          eraseAfter,
          nextReminderAt,
          cancelledAt,
          claimedAt,
          erasedAt,
          counts,
          link: status === 'pending' || status === 'erasing',
          ...lease(deletion),
        }
      }),
    ),
    exports: sorted(
      world.deletions.map((deletion) => {
        const { status, createdAt, expiresAt, archive } = deletion.export
        return {
          deletion: deletion.id,
          user: userOf(deletion),
          status,
          createdAt,
          expiresAt,
          archive,
          link: status === 'pending' || status === 'ready',
          ...lease(deletion.export),
        }
      }),
    ),
    mails: sorted(
      world.mails
        .filter(({ purged }) => !purged)
        .map((row) => {
          const { id, mail, deletion, address, status, createdAt, finishedAt } = row
          return {
            id,
            mail,
            deletion: idOf(deletion),
            address,
            status,
            createdAt,
            finishedAt,
            ...lease(row),
          }
        }),
    ),
    events: sorted(
      world.events.map(({ deletion, event, by, at, sealed }) => {
        return { deletion: idOf(deletion), event, details: by ? { by } : {}, at, sealed }
      }),
    ),
    delivered: sorted(
      world.mails.flatMap(({ id, mail, deletion, sentTo }) =>
        sentTo.map((to) => ({
          id,
          to: to.toLowerCase(),
          link: linkOf(world.deletions[deletion] as Deletion, mail),
        })),
      ),
    ),
  }
}

function linkOf(deletion: Deletion, mail: string): string | null {
  if (mail === 'export-ready') return deletion.export.token ?? null
  const cancels = mail === 'deletion-scheduled' || mail === 'deletion-reminder'
  return cancels ? (deletion.token ?? null) : null
}

/** A mail that the server accepted: the id in its Message-ID, and the token in its link. */
export interface DeliveredMail {
  id: string
  to: string
  link: string | null
}

export function snapshotOfRows(rows: Rows, delivered: DeliveredMail[]) {
  const lease = (row: Rows['outbox'][number]) => ({
    lease: row.lease,
    nextAttemptAt: ms(row.next_attempt_at),
    attempts: row.attempts,
  })
  return {
    people: sorted(
      rows.users.map(({ id, email, role, active, created_at }) => {
        return { id, email, role, active, createdAt: ms(created_at) }
      }),
    ),
    keys: sorted(rows['vault.person_keys'].map(({ user_id }) => user_id)),
    saved: sorted(
      rows.saved_passwords.map(({ user_id, site, created_at }) => {
        return { user: user_id, site, at: ms(created_at) }
      }),
    ),
    avatars: sorted(rows.avatars.map(({ user_id, bytes }) => ({ user: user_id, bytes }))),
    sessions: sorted(
      rows.sessions.map(({ id, user_id, kind, authenticated_at, expires_at, token_hash }) => ({
        id,
        user: user_id,
        kind,
        authenticatedAt: ms(authenticated_at),
        expiresAt: ms(expires_at),
        token: token_hash,
      })),
    ),
    deletions: sorted(
      rows.deletions.map((row) => ({
        id: row.id,
        user: row.user_id,
        status: row.status,
        requestedAt: ms(row.requested_at),
        eraseAfter: ms(row.erase_after),
        nextReminderAt: ms(row.next_reminder_at),
        cancelledAt: ms(row.cancelled_at),
        claimedAt: ms(row.claimed_at),
        erasedAt: ms(row.erased_at),
        counts: row.erased_counts,
        link: row.token_nonce !== null,
        ...lease(row),
      })),
    ),
    exports: sorted(
      rows.exports.map((row) => ({
        deletion: row.deletion_id,
        user: row.user_id,
        status: row.status,
        createdAt: ms(row.created_at),
        expiresAt: ms(row.expires_at),
        archive: row.file_name !== null,
        link: row.token_nonce !== null,
        ...lease(row),
      })),
    ),
    mails: sorted(
      rows.outbox.map((row) => ({
        id: row.id,
        mail: row.mail,
        deletion: row.deletion_id,
        address: row.address,
        status: row.status,
        createdAt: ms(row.created_at),
        finishedAt: ms(row.finished_at),
        ...lease(row),
      })),
    ),
    events: sorted(
      rows.audit_events.map(({ deletion_id, event, details, at, position }) => ({
        deletion: deletion_id,
        event,
        details,
        at: ms(at),
        sealed: position !== null,
      })),
    ),
    delivered: sorted(delivered),
  }
}

/** Copies values that the database generated, such as ids and leases, into the model when they first appear. */
export function learnGeneratedValues(world: World, rows: Rows, keys: Keys): void {
  for (const person of world.people)
    if (!person.erased && person.id === undefined)
      person.id = rows.users.find(({ email }) => email === person.email)?.id as number | undefined
  learnSessions(world, rows)
  learnDeletions(world, rows, keys)
  learnMails(world, rows)
  learnLeases(world, rows)
}

/** After a refresh, the token differs from all earlier ones of the session. */
function learnSessions(world: World, rows: Rows): void {
  const known = new Set(world.sessions.map(({ id }) => id))
  for (const session of world.sessions) {
    if (session.ended) continue
    const { id: user } = personOf(world, session.person)
    const row = rows.sessions.find(({ id, user_id, kind, authenticated_at }) =>
      session.id === undefined
        ? !known.has(id as string) &&
          user_id === user &&
          kind === session.kind &&
          ms(authenticated_at) === session.authenticatedAt
        : id === session.id,
    )
    if (!row) continue
    const { hashes, refreshes } = session
    const hash = row.token_hash as string
    session.id = row.id as string
    known.add(session.id)
    if (hashes[refreshes] === undefined && !hashes.includes(hash)) hashes[refreshes] = hash
  }
}

function learnDeletions(world: World, rows: Rows, keys: Keys): void {
  const known = new Set(world.deletions.map(({ id }) => id))
  for (const deletion of world.deletions) {
    if (deletion.id !== undefined) continue
    const row = rows.deletions.find(
      ({ id, user_id }) =>
        !known.has(id as string) && user_id === personOf(world, deletion.person).id,
    )
    const archive = rows.exports.find(({ deletion_id }) => deletion_id === row?.id)
    if (!row?.token_nonce || !archive?.token_nonce) continue
    deletion.id = row.id as string
    deletion.token = deletionToken(keys, bytes(row.token_nonce))
    deletion.export.token = exportToken(keys, bytes(archive.token_nonce))
    known.add(deletion.id)
  }
}

function learnMails(world: World, rows: Rows): void {
  const known = new Set(world.mails.map(({ id }) => id))
  for (const mail of world.mails) {
    if (mail.id !== undefined) continue
    const row = rows.outbox.find(
      (row) =>
        !known.has(row.id as string) &&
        row.mail === mail.mail &&
        row.deletion_id === world.deletions[mail.deletion]?.id &&
        ms(row.created_at) === mail.createdAt,
    )
    if (!row) continue
    mail.id = row.id as string
    known.add(mail.id)
  }
}

function learnLeases(world: World, rows: Rows): void {
  const known = new Set(world.leases)
  const learn = ({ lease }: Leased, row: Rows['outbox'][number] | undefined) => {
    const name = row?.lease as string | null | undefined
    if (lease === null || !name || world.leases[lease] !== undefined || known.has(name)) return
    world.leases[lease] = name
    known.add(name)
  }
  for (const deletion of world.deletions) {
    const { id, export: archive } = deletion
    learn(
      deletion,
      rows.deletions.find((row) => row.id === id),
    )
    learn(
      archive,
      rows.exports.find(({ deletion_id }) => deletion_id === id),
    )
  }
  for (const mail of world.mails)
    learn(
      mail,
      rows.outbox.find(({ id }) => id === mail.id),
    )
}

function bytes(column: unknown): Buffer {
  return Buffer.from(String(column).replace('\\x', ''), 'hex')
}

function ms(time: unknown): number | null {
  return time === null ? null : Date.parse(String(time))
}
