import type { JobName } from '@lethe/queue'
import fc from 'fast-check'
import {
  eraseAccounts,
  eraseStumbling,
  eraseUnasked,
  fallAsleepOverErasure,
  wakeUpOverErasure,
} from '../commands/erase-accounts.ts'
import {
  exportAccounts,
  exportStumbling,
  fallAsleepOverExports,
  wakeUpOverExports,
} from '../commands/export-accounts.ts'
import { canBeClaimed, freeRows, lend } from '../commands/lend.ts'
import { canBeOvertaken, sendMail, sendOvertaken } from '../commands/send-mail.ts'
import { sweep, sweepNames } from '../commands/sweep.ts'
import { jobNames } from '../commands/work.ts'
import type { Mail, World } from '../world.ts'
import { type Intent, intent, type Pick, pick, picked, words } from './arbitrary.ts'
import { withDeletion } from './deletions.ts'

export const lending = fc
  .constantFrom(...jobNames)
  .map((name) => intent(`lend ${name}`, () => lend(name)))
export const erasingUnasked = withDeletion('erase unasked', fc.constant(undefined), eraseUnasked)

const runs = {
  'send-mail': sendMail,
  'export-accounts': exportAccounts,
  'erase-accounts': eraseAccounts,
}
const sleeps = {
  'export-accounts': fallAsleepOverExports,
  'erase-accounts': fallAsleepOverErasure,
}
const stumbles = { 'export-accounts': exportStumbling, 'erase-accounts': eraseStumbling }

/** A job that is waited for, or one that is stale by now. */
export function running(name: JobName): fc.Arbitrary<Intent> {
  return pick.map((which) => ({
    name: `run ${name} ${words(which)}`,
    before: queueing(name),
    plan(world) {
      const job = pickedJob(world, which, name)
      return job && runs[name](job.lease, job.name)
    },
  }))
}
export const runningAny = fc.oneof(...jobNames.map(running))

type LongJob = 'export-accounts' | 'erase-accounts'
export const longJob = fc.constantFrom<LongJob>('export-accounts', 'erase-accounts')

export const stumbling = fc.tuple(longJob, pick).map(
  ([name, which]): Intent => ({
    name: `stumble over ${name} ${words(which)}`,
    before: queueing(name),
    plan(world) {
      const job = pickedJob(world, which, name)
      return job && stumbles[name](job.lease, job.name)
    },
  }),
)

export const sendingOvertaken = pick.map((which) =>
  intent(`overtake a mail ${words(which)}`, (world) => {
    const numbers = [...world.mails.keys()].filter((number) =>
      canBeOvertaken(world, world.mails[number] as Mail),
    )
    const number = picked(which, numbers, () => true)
    return number === undefined ? undefined : sendOvertaken(world, number)
  }),
)

/** Somebody begins a job and stands still in the midst of it. */
export function fallingAsleepOver(name: LongJob, which: Pick): Intent {
  return {
    name: `fall asleep over ${name} ${words(which)}`,
    before: queueing(name),
    plan(world) {
      const job = pickedJob(world, which, name)
      return job && sleeps[name](job.lease, job.name)
    },
  }
}
export const fallingAsleep = fc.tuple(longJob, pick).map((how) => fallingAsleepOver(...how))

export const wakingUp = fc.nat(7).map(wakingUpNth)

export function wakingUpNth(n: number): Intent {
  return intent(`wake up ${n}`, ({ sleepers }) => {
    const sleeper = sleepers[n % Math.max(sleepers.length, 1)]
    if (sleeper?.name === 'erase-accounts') return wakeUpOverErasure(sleeper)
    return sleeper && wakeUpOverExports(sleeper)
  })
}

export const sweeping = fc
  .constantFrom(...sweepNames)
  .map((name) => intent(`sweep ${name}`, () => sweep(name)))

interface KnownJob {
  lease: number
  name: string
}

function pickedJob(world: World, which: Pick, name: JobName): KnownJob | undefined {
  return picked(which, jobsOf(world, name), isWaitedFor(world))
}

/** Lends, where nobody waits for a job of this name although somebody could. */
function queueing(name: JobName) {
  return (world: World) =>
    jobsOf(world, name).some(isWaitedFor(world)) || freeRows(world, name).length === 0
      ? undefined
      : lend(name)
}

function jobsOf(world: World, wanted: JobName): KnownJob[] {
  return world.jobs.flatMap(({ name, lease }) => {
    const known = world.leases[lease]
    return name === wanted && known ? [{ lease, name: known }] : []
  })
}

function isWaitedFor(world: World): (job: KnownJob) => boolean {
  const live = new Set<number | null>([
    ...world.mails.map(({ lease }) => lease),
    ...world.deletions.map((deletion) => deletion.export.lease),
    ...world.deletions
      .filter((deletion) => canBeClaimed(world, deletion))
      .map(({ lease }) => lease),
  ])
  return ({ lease }) => live.has(lease)
}
