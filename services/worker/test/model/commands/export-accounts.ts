import { findExportOwner, openVault, planErasure } from '@lethe/accounts'
import { openArchive, prepareArchives } from '@lethe/archive'
import {
  acquire,
  findPendingExports,
  openExport,
  publishArchives,
  recordAttempts,
  type StoredExport,
} from '@lethe/lifecycle'
import { exportAccounts as handle } from '../../../src/handlers/export-accounts.ts'
import { retryDelays } from '../../../src/retry-delays.ts'
import { type Answer, atomically, type Command, refusal, withTimesInMs } from '../command.ts'
import { exportTtl } from '../durations.ts'
import { acquireRow, createLease, releaseRow } from '../leases.ts'
import { sorted } from '../sorted.ts'
import {
  type Deletion,
  deletionOf,
  type PausedWorker,
  personOf,
  recordEvent,
  stageMail,
  type World,
} from '../world.ts'

export function exportAccounts(lease: number, name: string): Command {
  return {
    *modelSteps(world) {
      yield
      const acquired = acquireAll(world, lease)
      yield
      publishAll(world, acquired)
      return {}
    },
    async perform({ deps }) {
      await handle({ lease: name }, deps)
      return { answer: {} }
    },
  }
}

/** One statement of the handler fails. The exports are released for a retry soon, unless publishing committed anyway. */
export function exportWithFailedStatement(lease: number, name: string): Command {
  const { perform } = exportAccounts(lease, name)
  return {
    *modelSteps(world, choose) {
      yield
      const acquired = acquireAll(world, lease)
      yield
      if (choose(2) === 1) publishAll(world, acquired)
      else
        for (const number of acquired.deletions) {
          const row = deletionOf(world, number).export
          if (row.lease === acquired.lease) releaseRow(world, row, retryDelays.databaseUnavailable)
        }
      return {}
    },
    perform,
  }
}

interface AcquiredExports {
  lease: number
  deletions: number[]
}

/** Acquires all exports of this job under a lease of the worker. */
function acquireAll(world: World, job: number): AcquiredExports {
  const acquired: AcquiredExports = { lease: createLease(world), deletions: [] }
  for (const [number, deletion] of world.deletions.entries()) {
    if (deletion.export.lease !== job) continue
    acquired.deletions.push(number)
    acquireRow(world, deletion.export, acquired.lease)
  }
  return acquired
}

/** Publishes the exports whose lease the worker still holds and whose deletion is pending. Returns how many. */
function publishAll(world: World, { lease, deletions }: AcquiredExports): number {
  return deletions.filter((number) => publishOne(world, number, lease)).length
}

function publishOne(world: World, number: number, lease: number): boolean {
  const deletion = deletionOf(world, number)
  const archive = deletion.export
  if (archive.lease !== lease || archive.status !== 'pending') return false
  if (deletion.status !== 'pending') return false
  Object.assign(archive, { status: 'ready', createdAt: world.now, archive: true })
  Object.assign(archive, { expiresAt: deletion.eraseAfter + exportTtl.ms })
  Object.assign(archive, { lease: null, nextAttemptAt: world.now })
  stageMail(world, number, 'export-ready')
  recordEvent(world, number, 'export.ready')
  return true
}

/** A worker stores the archives, and pauses before it publishes them. */
export function pauseExports(lease: number, name: string): Command {
  return {
    modelSteps: atomically((world) => ({ acquired: acquireAll(world, lease).deletions.length })),
    async perform({ db, keys, deps }) {
      const acquired = await acquire(db, 'exports', name)
      if (!acquired) return { answer: { acquired: 0 } }
      const { lease, rows } = acquired
      const ids = rows.map(({ id }) => id)
      const wanted = await findPendingExports(db, keys, await recordAttempts(db, lease, ids))
      const { snapshotPool, storage, uploadDir } = deps
      const { signal } = new AbortController()
      const shared = { lease, plan: await planErasure(db), uploadDir, signal }
      const stored: StoredExport[] = []
      for (const { exportId, make } of await prepareArchives(snapshotPool, storage, shared, wanted))
        if (make) stored.push({ exportId, ...(await make()) })
      return {
        answer: { acquired: rows.length },
        updateModel(world) {
          const mine = world.leases.indexOf(lease)
          const deletions = [...world.deletions.keys()].filter(
            (number) => deletionOf(world, number).export.lease === mine,
          )
          world.pausedWorkers.push({
            name: 'export-accounts',
            lease: mine,
            deletions,
            work: { lease, stored },
          })
        },
      }
    },
  }
}

interface StoredArchives {
  lease: string
  stored: StoredExport[]
}

export function resumeExports(pausedWorker: PausedWorker & { name: 'export-accounts' }): Command {
  const { lease, stored } = pausedWorker.work as StoredArchives
  return {
    modelSteps: atomically((world) => {
      world.pausedWorkers = world.pausedWorkers.filter(({ lease }) => lease !== pausedWorker.lease)
      return { offered: publishAll(world, pausedWorker) }
    }),
    async perform({ db, deps }) {
      const offered = await publishArchives(db, lease, stored, exportTtl.iso)
      const unwanted = stored.filter((_, place) => !offered[place])
      await deps.storage.remove(unwanted.map(({ fileName }) => fileName))
      return { answer: { offered: offered.filter(Boolean).length } }
    },
  }
}

/** Opens the archive by the link in the mail. */
export function openArchiveOf(world: World, number: number): Command {
  const token = deletionOf(world, number).export.token ?? ''
  return {
    modelSteps: atomically(({ deletions, now }) =>
      expectedArchive((deletions[number] as Deletion).export, now),
    ),
    async perform({ db, keys, deps }) {
      const archive = await openExport(db, keys, token)
      const { createdAt, expiresAt } = archive
      const opened = await openArchive(deps.storage, archive)
      opened?.stream.destroy()
      return { answer: withTimesInMs({ createdAt, expiresAt, there: opened !== undefined }) }
    },
  }
}

function expectedArchive(
  { status, createdAt, expiresAt }: Deletion['export'],
  now: number,
): Answer {
  if (status === 'pending') return refusal('export-not-ready')
  if (status !== 'ready' || (expiresAt ?? 0) <= now) return refusal('export-gone')
  return { createdAt, expiresAt, there: true }
}

/** Reads the saved passwords in clear text, with the password of the account. */
export function openVaultOf(world: World, number: number, password: string): Command {
  const token = deletionOf(world, number).export.token ?? ''
  return {
    modelSteps: atomically((world) => {
      const { status, person } = deletionOf(world, number)
      if (status !== 'pending') return { code: 'export-gone' }
      const who = personOf(world, person)
      if (who.password !== password) return refusal('wrong-password')
      return { secrets: sorted(who.saved.map(({ secret }) => secret)) }
    }),
    async perform({ db, keys, hasher }) {
      const owner = await findExportOwner(db, token)
      const saved = await openVault(db, keys, hasher, owner, password)
      return { answer: { secrets: sorted(saved.map((entry) => entry.password)) } }
    },
  }
}
