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
  .map((name) => createTemplate(`lend ${name}`, () => dispatch(name)))
export const anyUndueErasure = withDeletion('erase unasked', fc.constant(undefined), eraseUndue)

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

/** A job that is waited for, or one that is stale by now. */
export function anyRunOf(name: JobName): fc.Arbitrary<CommandTemplate> {
  return anySelection.map((which) => ({
    name: `run ${name} ${toText(which)}`,
    before: dispatchIfNeeded(name),
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
    name: `stumble over ${name} ${toText(which)}`,
    findPreparation: dispatchIfNeeded(name),
    plan(world) {
      const job = selectJob(world, which, name)
      return job && failCommandsByName[name](job.lease, job.name)
    },
  }),
)

export const anyDoubleSend = anySelection.map((which) =>
  createTemplate(`overtake a mail ${toText(which)}`, (world) => {
    const numbers = [...world.mails.keys()].filter((number) =>
      canBeSentNow(world, world.mails[number] as Mail),
    )
    const number = select(which, numbers, () => true)
    return number === undefined ? undefined : sendTwice(world, number)
  }),
)

/** Somebody begins a job and stands still in the midst of it. */
export function createPause(name: LongJob, which: Selection): CommandTemplate {
  return {
    name: `fall asleep over ${name} ${toText(which)}`,
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
  return createTemplate(`wake up ${n}`, ({ pausedWorkers }) => {
    const sleeper = pausedWorkers[n % Math.max(pausedWorkers.length, 1)]
    if (sleeper?.name === 'erase-accounts') return resumeErasure(sleeper)
    return sleeper && resumeExports(sleeper)
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

/** Lends, where nobody waits for a job of this name although somebody could. */
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
