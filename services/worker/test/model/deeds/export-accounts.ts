import {
  findExportOwner,
  findWantedExports,
  finishExports,
  openExport,
  openVault,
  planErasure,
  type StoredExport,
} from '@lethe/accounts'
import { makeArchive, openArchive } from '@lethe/exports'
import { take } from '@lethe/jobs'
import { exportAccounts as handle } from '../../../src/handlers/export-accounts.ts'
import { retryDelays } from '../../../src/retry-delays.ts'
import { type Answer, atOnce, type Deed, inMilliseconds, refused } from '../deed.ts'
import { giveBackAfter, newLease, takeAs } from '../leases.ts'
import { sorted } from '../sorted.ts'
import { exportTtl } from '../spans.ts'
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
      const number = world.deletions.findIndex((deletion) => deletion.export.lease === lease)
      if (number < 0) return {}
      const mine = newLease(world)
      takeAs(world, deletionOf(world, number).export, mine)
      yield
      offer(world, number, mine)
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
      const number = world.deletions.findIndex((deletion) => deletion.export.lease === lease)
      if (number < 0) return {}
      const mine = newLease(world)
      const row = deletionOf(world, number).export
      takeAs(world, row, mine)
      yield
      if (choose(2) === 0) giveBackAfter(world, row, retryDelays.away)
      else offer(world, number, mine)
      return {}
    },
    perform,
  }
}

/** Only where the lease is still ours, and the deletion neither cancelled nor begun. */
function offer(world: World, number: number, lease: number): boolean {
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

/** A worker makes the archive, and then stands still before it offers it. */
export function fallAsleepOverExport(_world: World, number: number, name: string): Deed {
  return {
    course: atOnce((world) => {
      takeAs(world, deletionOf(world, number).export, newLease(world))
      return {}
    }),
    async perform({ db, keys, deps }) {
      const taken = await take(db, 'exports', name)
      if (!taken?.rows[0]) return { answer: refused('export-not-found') }
      const { lease } = taken
      const exportId = taken.rows[0].id
      const [wanted] = await findWantedExports(db, keys, [exportId])
      if (!wanted) return { answer: refused('export-not-found') }
      const { readers, storage, uploadDir } = deps
      const { signal } = new AbortController()
      const plan = await planErasure(db)
      const options = { lease, plan, uploadDir, signal, ...wanted }
      const made = await makeArchive(readers, storage, options)
      return {
        answer: {},
        keep(world) {
          const mine = world.leases.indexOf(lease)
          world.sleepers.push({
            ...{ name: 'export-accounts', lease: mine, deletion: number },
            work: { lease, stored: { exportId, ...made } },
          })
        },
      }
    },
  }
}

interface Made {
  lease: string
  stored: StoredExport
}

export function wakeUpOverExport(sleeper: Sleeper & { name: 'export-accounts' }): Deed {
  const { lease, stored } = sleeper.work as Made
  return {
    course: atOnce((world) => {
      world.sleepers = world.sleepers.filter(({ lease }) => lease !== sleeper.lease)
      return { offered: offer(world, sleeper.deletion, sleeper.lease) }
    }),
    async perform({ db, deps }) {
      const [offered] = await finishExports(db, lease, [stored], exportTtl.iso)
      if (!offered) await deps.storage.remove([stored.fileName])
      return { answer: { offered: offered !== undefined } }
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
