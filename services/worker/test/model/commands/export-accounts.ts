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
import { type Answer, atOnce, type Deed, inMilliseconds, refused } from '../command.ts'
import { exportTtl } from '../durations.ts'
import { giveBackAfter, newLease, takeAs } from '../leases.ts'
import { sorted } from '../sorted.ts'
import {
  type Deletion,
  deletionOf,
  note,
  personOf,
  type Sleeper,
  stage,
  type World,
} from '../world.ts'

export function exportAccounts(lease: number, name: string): Deed {
  return {
    *course(world) {
      yield
      const taken = takeAll(world, lease)
      yield
      offer(world, taken)
      return {}
    },
    async perform({ deps }) {
      await handle({ lease: name }, deps)
      return { answer: {} }
    },
  }
}

/** One of its statements fails, and no other: it is tried again soon, unless it was done all the same. */
export function exportStumbling(lease: number, name: string): Deed {
  const { perform } = exportAccounts(lease, name)
  return {
    *course(world, choose) {
      yield
      const taken = takeAll(world, lease)
      yield
      if (choose(2) === 1) offer(world, taken)
      else
        for (const number of taken.deletions) {
          const row = deletionOf(world, number).export
          if (row.lease === taken.lease) giveBackAfter(world, row, retryDelays.databaseUnavailable)
        }
      return {}
    },
    perform,
  }
}

interface Taken {
  lease: number
  deletions: number[]
}

/** All that were lent for this job, under a lease of the worker's own. */
function takeAll(world: World, job: number): Taken {
  const taken: Taken = { lease: newLease(world), deletions: [] }
  for (const [number, deletion] of world.deletions.entries()) {
    if (deletion.export.lease !== job) continue
    taken.deletions.push(number)
    takeAs(world, deletion.export, taken.lease)
  }
  return taken
}

/** Those whose lease is still ours, and whose deletion is neither cancelled nor begun. Returns how many. */
function offer(world: World, { lease, deletions }: Taken): number {
  return deletions.filter((number) => offerOne(world, number, lease)).length
}

function offerOne(world: World, number: number, lease: number): boolean {
  const deletion = deletionOf(world, number)
  const archive = deletion.export
  if (archive.lease !== lease || archive.status !== 'pending') return false
  if (deletion.status !== 'pending') return false
  Object.assign(archive, { status: 'ready', createdAt: world.now, archive: true })
  Object.assign(archive, { expiresAt: deletion.eraseAfter + exportTtl.ms })
  Object.assign(archive, { lease: null, nextAttemptAt: world.now })
  stage(world, number, 'export-ready')
  note(world, number, 'export.ready')
  return true
}

/** A worker makes the archives, and then stands still before it offers them. */
export function fallAsleepOverExports(lease: number, name: string): Deed {
  return {
    course: atOnce((world) => ({ taken: takeAll(world, lease).deletions.length })),
    async perform({ db, keys, deps }) {
      const taken = await acquire(db, 'exports', name)
      if (!taken) return { answer: { taken: 0 } }
      const { lease, rows } = taken
      const ids = rows.map(({ id }) => id)
      const wanted = await findPendingExports(db, keys, await recordAttempts(db, lease, ids))
      const { readers, storage, uploadDir } = deps
      const { signal } = new AbortController()
      const shared = { lease, plan: await planErasure(db), uploadDir, signal }
      const stored: StoredExport[] = []
      for (const { exportId, make } of await prepareArchives(readers, storage, shared, wanted))
        if (make) stored.push({ exportId, ...(await make()) })
      return {
        answer: { taken: rows.length },
        keep(world) {
          const mine = world.leases.indexOf(lease)
          const deletions = [...world.deletions.keys()].filter(
            (number) => deletionOf(world, number).export.lease === mine,
          )
          world.sleepers.push({
            ...{ name: 'export-accounts', lease: mine, deletions },
            work: { lease, stored },
          })
        },
      }
    },
  }
}

interface Made {
  lease: string
  stored: StoredExport[]
}

export function wakeUpOverExports(sleeper: Sleeper & { name: 'export-accounts' }): Deed {
  const { lease, stored } = sleeper.work as Made
  return {
    course: atOnce((world) => {
      world.sleepers = world.sleepers.filter(({ lease }) => lease !== sleeper.lease)
      return { offered: offer(world, sleeper) }
    }),
    async perform({ db, deps }) {
      const offered = await publishArchives(db, lease, stored, exportTtl.iso)
      const unwanted = stored.filter((_, place) => !offered[place])
      await deps.storage.remove(unwanted.map(({ fileName }) => fileName))
      return { answer: { offered: offered.filter(Boolean).length } }
    },
  }
}

/** By the link of the mail. */
export function openArchiveOf(world: World, number: number): Deed {
  const token = deletionOf(world, number).export.token ?? ''
  return {
    course: atOnce(({ deletions, now }) => whatOpens((deletions[number] as Deletion).export, now)),
    async perform({ db, keys, deps }) {
      const archive = await openExport(db, keys, token)
      const { createdAt, expiresAt } = archive
      const opened = await openArchive(deps.storage, archive)
      opened?.stream.destroy()
      return { answer: inMilliseconds({ createdAt, expiresAt, there: opened !== undefined }) }
    },
  }
}

function whatOpens({ status, createdAt, expiresAt }: Deletion['export'], now: number): Answer {
  if (status === 'pending') return refused('export-not-ready')
  if (status !== 'ready' || (expiresAt ?? 0) <= now) return refused('export-gone')
  return { createdAt, expiresAt, there: true }
}

/** The saved passwords in clear, against the account's password. */
export function openVaultOf(world: World, number: number, password: string): Deed {
  const token = deletionOf(world, number).export.token ?? ''
  return {
    course: atOnce((world) => {
      const { status, person } = deletionOf(world, number)
      if (status !== 'pending') return { code: 'export-gone' }
      const who = personOf(world, person)
      if (who.password !== password) return refused('wrong-password')
      return { secrets: sorted(who.saved.map(({ secret }) => secret)) }
    }),
    async perform({ db, keys, hasher }) {
      const owner = await findExportOwner(db, token)
      const saved = await openVault(db, keys, hasher, owner, password)
      return { answer: { secrets: sorted(saved.map((entry) => entry.password)) } }
    },
  }
}
