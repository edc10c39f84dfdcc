import type { JobName } from '@lethe/queue'
import fc from 'fast-check'
import { canBeClaimed, dispatch, findFreeRows } from '../commands/dispatch.ts'
import {
  eraseAccounts,
  eraseUndue,
  eraseWithFailedStatement,
  pauseErasure,
  resumeErasure,
} from '../commands/erase-accounts.ts'
import {
  exportAccounts,
  exportWithFailedStatement,
  pauseExports,
  resumeExports,
} from '../commands/export-accounts.ts'
import { canBeSentNow, sendMail, sendTwice } from '../commands/send-mail.ts'
import { sweep, sweepNames } from '../commands/sweep.ts'
import { jobNames } from '../commands/work.ts'
import type { Mail, World } from '../world.ts'
import {
  anySelection,
  type CommandTemplate,
  createTemplate,
  type Selection,
  select,
  toText,
} from './arbitrary.ts'
import { withDeletion } from './deletions.ts'

export const anyDispatch = fc
  .constantFrom(...jobNames)
  .map((name) => createTemplate(`dispatch ${name}`, () => dispatch(name)))
export const anyUndueErasure = withDeletion(
  'erase before the date',
  fc.constant(undefined),
  eraseUndue,
)

const runCommandsByName = {
  'send-mail': sendMail,
  'export-accounts': exportAccounts,
  'erase-accounts': eraseAccounts,
}
const pauseCommandsByName = {
  'export-accounts': pauseExports,
  'erase-accounts': pauseErasure,
}
const failCommandsByName = {
  'export-accounts': exportWithFailedStatement,
  'erase-accounts': eraseWithFailedStatement,
}

/** Runs a job with a live lease, or a stale one. */
export function anyRunOf(name: JobName): fc.Arbitrary<CommandTemplate> {
  return anySelection.map((which) => ({
    name: `run ${name} ${toText(which)}`,
    findPreparation: dispatchIfNeeded(name),
    plan(world) {
      const job = selectJob(world, which, name)
      return job && runCommandsByName[name](job.lease, job.name)
    },
  }))
}
export const anyRun = fc.oneof(...jobNames.map(anyRunOf))

type LongJob = 'export-accounts' | 'erase-accounts'
export const anyLongJob = fc.constantFrom<LongJob>('export-accounts', 'erase-accounts')

export const anyRunWithFailedStatement = fc.tuple(anyLongJob, anySelection).map(
  ([name, which]): CommandTemplate => ({
    name: `run ${name} ${toText(which)} and fail a statement`,
    findPreparation: dispatchIfNeeded(name),
    plan(world) {
      const job = selectJob(world, which, name)
      return job && failCommandsByName[name](job.lease, job.name)
    },
  }),
)

export const anyDoubleSend = anySelection.map((which) =>
  createTemplate(`send a mail from two workers ${toText(which)}`, (world) => {
    const numbers = [...world.mails.keys()].filter((number) =>
      canBeSentNow(world, world.mails[number] as Mail),
    )
    const number = select(which, numbers, () => true)
    return number === undefined ? undefined : sendTwice(world, number)
  }),
)

/** A worker starts a job and pauses in the middle of it. */
export function createPause(name: LongJob, which: Selection): CommandTemplate {
  return {
    name: `pause ${name} ${toText(which)}`,
    findPreparation: dispatchIfNeeded(name),
    plan(world) {
      const job = selectJob(world, which, name)
      return job && pauseCommandsByName[name](job.lease, job.name)
    },
  }
}
export const anyWorkerPause = fc.tuple(anyLongJob, anySelection).map((how) => createPause(...how))

export const anyWorkerResume = fc.nat(7).map(createResume)

export function createResume(n: number): CommandTemplate {
  return createTemplate(`resume ${n}`, ({ pausedWorkers }) => {
    const pausedWorker = pausedWorkers[n % Math.max(pausedWorkers.length, 1)]
    if (pausedWorker?.name === 'erase-accounts') return resumeErasure(pausedWorker)
    return pausedWorker && resumeExports(pausedWorker)
  })
}

export const anySweep = fc
  .constantFrom(...sweepNames)
  .map((name) => createTemplate(`sweep ${name}`, () => sweep(name)))

interface KnownJob {
  lease: number
  name: string
}

function selectJob(world: World, which: Selection, name: JobName): KnownJob | undefined {
  return select(which, jobsOf(world, name), isLeaseLive(world))
}

/** Dispatches if no job of this name has a live lease although there are free rows. */
function dispatchIfNeeded(name: JobName) {
  return (world: World) =>
    jobsOf(world, name).some(isLeaseLive(world)) || findFreeRows(world, name).length === 0
      ? undefined
      : dispatch(name)
}

function jobsOf(world: World, wanted: JobName): KnownJob[] {
  return world.jobs.flatMap(({ name, lease }) => {
    const known = world.leases[lease]
    return name === wanted && known ? [{ lease, name: known }] : []
  })
}

function isLeaseLive(world: World): (job: KnownJob) => boolean {
  const live = new Set<number | null>([
    ...world.mails.map(({ lease }) => lease),
    ...world.deletions.map((deletion) => deletion.export.lease),
    ...world.deletions
      .filter((deletion) => canBeClaimed(world, deletion))
      .map(({ lease }) => lease),
  ])
  return ({ lease }) => live.has(lease)
}
