import { randomUUID } from 'node:crypto'
import { planErasure } from '@lethe/accounts'
import { removeFiles } from '@lethe/erasure'
import { type Claim, claimDeletions, finishErasure } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { eraseAccounts as handle } from '../../../src/handlers/erase-accounts.ts'
import { retryDelays } from '../../../src/retry-delays.ts'
import { atOnce, type Deed } from '../command.ts'
import { giveBackAfter, newLease, takeAs } from '../leases.ts'
import { deletionOf, note, personOf, type Sleeper, stage, type World } from '../world.ts'
import { canBeClaimed } from './lend.ts'

export function eraseAccounts(lease: number, name: string): Deed {
  return {
    *course(world) {
      yield
      const claimed = claim(world, lease)
      yield
      erase(world, claimed)
      return {}
    },
    async perform({ deps }) {
      await handle({ lease: name }, deps)
      return { answer: {} }
    },
  }
}

/** A job for a deletion whether or not it is due, as a faulty sweep would make it: the handler looks for itself. */
export function eraseUnasked(world: World, number: number): Deed {
  const { id = '' } = deletionOf(world, number)
  return {
    course: atOnce((world) => {
      const lease = newLease(world)
      deletionOf(world, number).lease = lease
      erase(world, claim(world, lease))
      return {}
    }),
    async perform({ db, deps }) {
      const lease = randomUUID()
      await sql`update public.deletions set lease = ${lease} where id = ${id}`.execute(db)
      await handle({ lease }, deps)
      return { answer: {} }
    },
  }
}

/** One of its statements fails, and no other: it is tried again soon, unless it was done all the same. */
export function eraseStumbling(lease: number, name: string): Deed {
  const { perform } = eraseAccounts(lease, name)
  return {
    *course(world, choose) {
      yield
      const claimed = claim(world, lease)
      yield
      if (choose(2) === 1) erase(world, claimed)
      else
        for (const number of claimed.deletions)
          giveBackAfter(world, deletionOf(world, number), retryDelays.databaseUnavailable)
      return {}
    },
    perform,
  }
}

interface Claimed {
  lease: number
  deletions: number[]
}

/** The point of no return, under a lease of the worker's own. */
function claim(world: World, job: number): Claimed {
  const lease = newLease(world)
  const claimed: Claimed = { lease, deletions: [] }
  for (const [number, deletion] of world.deletions.entries()) {
    if (deletion.lease !== job || !canBeClaimed(world, deletion)) continue
    claimed.deletions.push(number)
    takeAs(world, deletion, lease)
    if (deletion.status === 'erasing') continue
    Object.assign(deletion, { status: 'erasing', claimedAt: world.now, nextReminderAt: null })
    note(world, number, 'deletion.claimed')
    if (deletion.export.status !== 'pending') continue
    Object.assign(deletion.export, { status: 'failed', lease: null })
    note(world, number, 'export.failed')
  }
  return claimed
}

/** Those whose lease was lost meanwhile are left alone. Returns who was erased. */
function erase(world: World, { lease, deletions }: Claimed): number[] {
  const held = deletions.filter((number) => {
    const deletion = deletionOf(world, number)
    return deletion.status === 'erasing' && deletion.lease === lease
  })
  for (const number of held) eraseOne(world, number)
  return held
}

function eraseOne(world: World, number: number): void {
  const deletion = deletionOf(world, number)
  const person = personOf(world, deletion.person)
  for (const mail of world.mails)
    if (mail.status === 'pending' && deletionOf(world, mail.deletion).person === deletion.person)
      mail.address = person.email
  stage(world, number, 'account-erased', person.email)
  note(world, number, 'deletion.erased')
  const sessions = world.sessions.filter(
    (session) => session.person === deletion.person && !session.over,
  )
  const counts = {
    tables: {
      'vault.person_keys': 1,
      saved_passwords: person.saved.length,
      sessions: sessions.length,
      avatars: person.avatar ? 1 : 0,
      users: 1,
    },
    files: person.avatar ? 1 : 0,
    bytes: person.avatar ?? 0,
  }
  Object.assign(deletion, { status: 'erased', erasedAt: world.now, counts, lease: null })
  Object.assign(person, { erased: true, active: false })
}

/** A worker claims, and then stands still before it erases. */
export function fallAsleepOverErasure(lease: number, name: string): Deed {
  return {
    course: atOnce((world) => ({ claimed: claim(world, lease).deletions.length })),
    async perform({ db, deps }) {
      const claim = await claimDeletions(db, name, deps.breakerLimits)
      return {
        answer: { claimed: claim.deletions.length },
        keep(world) {
          const deletions = claim.deletions.map(({ id }) =>
            world.deletions.findIndex((deletion) => deletion.id === id),
          )
          const mine = world.leases.indexOf(claim.lease)
          if (deletions.length === 0) return
          world.sleepers.push({ name: 'erase-accounts', lease: mine, deletions, work: claim })
        },
      }
    },
  }
}

export function wakeUpOverErasure(sleeper: Sleeper & { name: 'erase-accounts' }): Deed {
  return {
    course: atOnce((world) => {
      world.sleepers = world.sleepers.filter(({ lease }) => lease !== sleeper.lease)
      return { erased: erase(world, sleeper).length }
    }),
    async perform({ db, deps }) {
      const claim = sleeper.work as Claim
      for (const { userId } of claim.deletions)
        await removeFiles(deps.uploadDir, deps.dataMap, userId)
      return { answer: { erased: (await finishErasure(db, await planErasure(db), claim)).length } }
    },
  }
}
