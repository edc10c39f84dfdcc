import { setTimeout as wait } from 'node:timers/promises'
import { deletionToken } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { password, type TestPerson } from '../../system/people.ts'
import { untilClock } from '../../system/until-clock.ts'
import { cancelUntilConfirmed, requestUntilConfirmed } from './certainty.ts'
import type { IsolatedEnvironment } from './isolated-environment.ts'

/** Where in a script a failpoint may be armed. */
export type Checkpoint = 'begins' | 'asks' | 'is due' | 'cancels'

/** Runs for a few seconds; the work that it causes ends some time later. */
export type Script = (
  isolated: IsolatedEnvironment,
  at: (checkpoint: Checkpoint) => void,
) => Promise<void>

const QUIET_MS = 8_000
/** Longer than a lease lasts without renewal, and than BullMQ's lock. */
const SLOW_MS = 6_500

export const scripts = {
  /** No requests: only the sweep and the queue work. */
  async quiet(_room, at) {
    at('begins')
    await wait(QUIET_MS)
  },

  /** Requests the deletion, gets the reminder and the archive, and is erased; the archive expires. */
  async erased(isolated, at) {
    const person = await isolated.person()
    at('asks')
    const id = await requestUntilConfirmed(isolated, person)
    await sql`
      update public.deletions set next_reminder_at = now()
      where id = ${id} and status = 'pending' and erase_after > now()`.execute(
      isolated.environment.db,
    )
    await untilDue(isolated, id)
    at('is due')
  },

  /** Cancels with the link from the mail after the archive is made. */
  async cancelled(isolated, at) {
    const { person, id } = await postponedDeletion(isolated, at)
    const { rows } = await sql<{ nonce: Buffer }>`
      select token_nonce as nonce from public.deletions where id = ${id}`.execute(
      isolated.environment.db,
    )
    const token = deletionToken(isolated.environment.keys, rows[0]?.nonce ?? Buffer.alloc(32))
    at('cancels')
    await cancelUntilConfirmed(isolated, id, () => isolated.client.cancel(person, id, token))
  },

  /** Cancels with the password instead of the link. */
  async 'cancelled by password'(isolated, at) {
    const { person, id } = await postponedDeletion(isolated, at)
    at('cancels')
    const request = { method: 'POST', path: '/v1/deletions/cancel', person, deletionId: id }
    const body = { email: person.address, password }
    await cancelUntilConfirmed(isolated, id, () =>
      isolated.client.ask('cancel', { ...request, body }),
    )
  },

  /** The mail server refuses the first mail with a 4xx and all later ones with a 5xx. */
  async refused(isolated, at) {
    const person = await isolated.person()
    let offered = 0
    isolated.respond(person.address, ({ at: moment }) => {
      if (moment === 'message') return 'accepted'
      return offered++ === 0 ? 'refused-4' : 'refused-5'
    })
    at('asks')
    await requestUntilConfirmed(isolated, person)
  },

  /** Mail, archive and erasure take long enough that their leases must be renewed. */
  async slow(isolated, at) {
    const person = await isolated.person()
    let offered = 0
    isolated.respond(person.address, ({ at: moment }) =>
      wait(moment === 'message' && offered++ === 0 ? SLOW_MS : 0, 'accepted'),
    )
    at('asks')
    const id = await requestUntilConfirmed(isolated, person)
    await lockAvatars(isolated)
    await untilDue(isolated, id)
    at('is due')
    await lockAvatars(isolated)
  },

  /** The service restarts and serves a request. */
  'the api starts': (isolated, at) => restartAndRequest(isolated, 'api', at),
  'the worker starts': (isolated, at) => restartAndRequest(isolated, 'worker', at),
} satisfies Record<string, Script>

export type ScriptName = keyof typeof scripts

async function restartAndRequest(
  isolated: IsolatedEnvironment,
  name: 'api' | 'worker',
  at: (checkpoint: Checkpoint) => void,
) {
  await isolated.restart(name, () => at('begins'))
  await requestUntilConfirmed(isolated, await isolated.person())
}

/** Requests a deletion and postpones its date, so that there is time to cancel. */
async function postponedDeletion(
  isolated: IsolatedEnvironment,
  at: (checkpoint: Checkpoint) => void,
) {
  const { db } = isolated.environment
  const person: TestPerson = await isolated.person()
  at('asks')
  const id = await requestUntilConfirmed(isolated, person)
  await sql`
    update public.deletions set erase_after = erase_after + interval '5 minutes', next_attempt_at = next_attempt_at + interval '5 minutes'
    where id = ${id} and status = 'pending'`.execute(db)
  await until('an archive', async () => {
    const { rows } = await sql`
        select from public.exports where deletion_id = ${id} and status <> 'pending'`.execute(db)
    return rows.length > 0
  })
  return { person, id }
}

async function untilDue(isolated: IsolatedEnvironment, id: string): Promise<void> {
  const { rows } = await sql<{ eraseAfter: Date }>`
    select erase_after as "eraseAfter" from public.deletions where id = ${id}`.execute(
    isolated.environment.db,
  )
  // Slightly early, so that no sweep comes in between.
  await untilClock((rows[0]?.eraseAfter.getTime() ?? 0) - 50)
}

/** Locks the table so that reads and erasures of pictures must wait. */
async function lockAvatars(isolated: IsolatedEnvironment): Promise<void> {
  await isolated.environment.db.transaction().execute(async (tx) => {
    await sql`lock table public.avatars in access exclusive mode`.execute(tx)
    await wait(SLOW_MS)
  })
}
