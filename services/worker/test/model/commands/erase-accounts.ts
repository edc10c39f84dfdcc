import { randomUUID } from 'node:crypto'
import { planErasure } from '@lethe/accounts'
import { removeFiles } from '@lethe/erasure'
import { type Claim, claimDeletions, finishErasure } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { eraseAccounts as handle } from '../../../src/handlers/erase-accounts.ts'
import { retryDelays } from '../../../src/retry-delays.ts'
import { atomically, type Command } from '../command.ts'
import { acquireRow, createLease, releaseRow } from '../leases.ts'
import {
  deletionOf,
  type PausedWorker,
  personOf,
  recordEvent,
  stageMail,
  type World,
} from '../world.ts'
import { canBeClaimed } from './dispatch.ts'

export function eraseAccounts(lease: number, name: string): Command {
  return {
    *modelSteps(world) {
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

/** A job for a deletion whether or not it is due, as from a faulty sweep: the handler must check the date itself. */
export function eraseUndue(world: World, number: number): Command {
  const { id = '' } = deletionOf(world, number)
  return {
    modelSteps: atomically((world) => {
      const lease = createLease(world)
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

/** One statement of the handler fails. The deletions are released for a retry soon, unless the erasure committed anyway. */
export function eraseWithFailedStatement(lease: number, name: string): Command {
  const { perform } = eraseAccounts(lease, name)
  return {
    *modelSteps(world, choose) {
      yield
      const claimed = claim(world, lease)
      yield
      if (choose(2) === 1) erase(world, claimed)
      else
        for (const number of claimed.deletions)
          releaseRow(world, deletionOf(world, number), retryDelays.databaseUnavailable)
      return {}
    },
    perform,
  }
}

interface Claimed {
  lease: number
  deletions: number[]
}

/** Claims under a lease of the worker: the point of no return. */
function claim(world: World, job: number): Claimed {
  const lease = createLease(world)
  const claimed: Claimed = { lease, deletions: [] }
  for (const [number, deletion] of world.deletions.entries()) {
    if (deletion.lease !== job || !canBeClaimed(world, deletion)) continue
    claimed.deletions.push(number)
    acquireRow(world, deletion, lease)
    if (deletion.status === 'erasing') continue
    Object.assign(deletion, { status: 'erasing', claimedAt: world.now, nextReminderAt: null })
    recordEvent(world, number, 'deletion.claimed')
    if (deletion.export.status !== 'pending') continue
    Object.assign(deletion.export, { status: 'failed', lease: null })
    recordEvent(world, number, 'export.failed')
  }
  return claimed
}

/** Erases the deletions whose lease the worker still holds, and returns them. */
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
  stageMail(world, number, 'account-erased', person.email)
  recordEvent(world, number, 'deletion.erased')
  const sessions = world.sessions.filter(
    (session) => session.person === deletion.person && !session.ended,
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

/** A worker claims, and pauses before it erases. */
export function pauseErasure(lease: number, name: string): Command {
  return {
    modelSteps: atomically((world) => ({ claimed: claim(world, lease).deletions.length })),
    async perform({ db, deps }) {
      const claim = await claimDeletions(db, name, deps.breakerLimits)
      return {
        answer: { claimed: claim.deletions.length },
        updateModel(world) {
          const deletions = claim.deletions.map(({ id }) =>
            world.deletions.findIndex((deletion) => deletion.id === id),
          )
          const mine = world.leases.indexOf(claim.lease)
          if (deletions.length === 0) return
          world.pausedWorkers.push({ name: 'erase-accounts', lease: mine, deletions, work: claim })
        },
      }
    },
  }
}

export function resumeErasure(pausedWorker: PausedWorker & { name: 'erase-accounts' }): Command {
  return {
    modelSteps: atomically((world) => {
      world.pausedWorkers = world.pausedWorkers.filter(({ lease }) => lease !== pausedWorker.lease)
      return { erased: erase(world, pausedWorker).length }
    }),
    async perform({ db, deps }) {
      const claim = pausedWorker.work as Claim
      for (const { userId } of claim.deletions)
        await removeFiles(deps.uploadDir, deps.dataMap, userId)
      return { answer: { erased: (await finishErasure(db, await planErasure(db), claim)).length } }
    },
  }
}
