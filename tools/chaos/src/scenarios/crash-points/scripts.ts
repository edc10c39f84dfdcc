import { setTimeout as wait } from 'node:timers/promises'
import { deletionToken } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { type Person, password } from '../../system/people.ts'
import { untilClock } from '../../system/until-clock.ts'
import { askUntilItStands, cancelUntilItIs } from './certainty.ts'
import type { Room } from './isolated-environment.ts'

/** Where in a life a trap may be set. */
export type Step = 'begins' | 'asks' | 'is due' | 'cancels'

/** Leads through the system, in a few seconds; what is to come is at rest some time after. */
export type Life = (room: Room, at: (step: Step) => void) => Promise<void>

const QUIET_MS = 8_000
/** Longer than a lease goes unprolonged, and than BullMQ leaves a lock alone. */
const SLOW_MS = 6_500

export const lives = {
  /** Nobody does anything: the sweep and the queue alone are at work. */
  async quiet(_room, at) {
    at('begins')
    await wait(QUIET_MS)
  },

  /** Asks, is reminded, gets the archive, and is erased; the archive expires. */
  async erased(room, at) {
    const person = await room.person()
    at('asks')
    const id = await askUntilItStands(room, person)
    await sql`
      update public.deletions set next_reminder_at = now()
      where id = ${id} and status = 'pending' and erase_after > now()`.execute(room.world.db)
    await untilDue(room, id)
    at('is due')
  },

  /** Cancels with the link, once the archive is there. */
  async cancelled(room, at) {
    const { person, id } = await reprieved(room, at)
    const { rows } = await sql<{ nonce: Buffer }>`
      select token_nonce as nonce from public.deletions where id = ${id}`.execute(room.world.db)
    const token = deletionToken(room.world.keys, rows[0]?.nonce ?? Buffer.alloc(32))
    at('cancels')
    await cancelUntilItIs(room, id, () => room.client.cancel(person, id, token))
  },

  /** Has lost the link. */
  async 'cancelled by password'(room, at) {
    const { person, id } = await reprieved(room, at)
    at('cancels')
    const request = { method: 'POST', path: '/v1/deletions/cancel', person, deletionId: id }
    const body = { email: person.address, password }
    await cancelUntilItIs(room, id, () => room.client.ask('cancel', { ...request, body }))
  },

  /** Their mail server refuses one mail for now, and all that follow for good. */
  async refused(room, at) {
    const person = await room.person()
    let offered = 0
    room.judge(person.address, ({ at: moment }) => {
      if (moment === 'message') return 'accepted'
      return offered++ === 0 ? 'refused-4' : 'refused-5'
    })
    at('asks')
    await askUntilItStands(room, person)
  },

  /** Mail, archive and erasure take long enough for their leases to be prolonged. */
  async slow(room, at) {
    const person = await room.person()
    let offered = 0
    room.judge(person.address, ({ at: moment }) =>
      wait(moment === 'message' && offered++ === 0 ? SLOW_MS : 0, 'accepted'),
    )
    at('asks')
    const id = await askUntilItStands(room, person)
    await hold(room)
    await untilDue(room, id)
    at('is due')
    await hold(room)
  },

  /** It is started anew, and serves somebody. */
  'the api starts': (room, at) => startAnew(room, 'api', at),
  'the worker starts': (room, at) => startAnew(room, 'worker', at),
} satisfies Record<string, Life>

export type LifeName = keyof typeof lives

async function startAnew(room: Room, name: 'api' | 'worker', at: (step: Step) => void) {
  await room.restart(name, () => at('begins'))
  await askUntilItStands(room, await room.person())
}

/** Somebody who has time to cancel. */
async function reprieved(room: Room, at: (step: Step) => void) {
  const { db } = room.world
  const person: Person = await room.person()
  at('asks')
  const id = await askUntilItStands(room, person)
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

async function untilDue(room: Room, id: string): Promise<void> {
  const { rows } = await sql<{ eraseAfter: Date }>`
    select erase_after as "eraseAfter" from public.deletions where id = ${id}`.execute(
    room.world.db,
  )
  // A little before, so that no sweep comes between.
  await untilClock((rows[0]?.eraseAfter.getTime() ?? 0) - 50)
}

/** Whoever reads or erases pictures meanwhile has to wait. */
async function hold(room: Room): Promise<void> {
  await room.world.db.transaction().execute(async (tx) => {
    await sql`lock table public.avatars in access exclusive mode`.execute(tx)
    await wait(SLOW_MS)
  })
}
