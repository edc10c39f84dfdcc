import { sweepTasks } from '../../../src/sweep.ts'
import { noQueue } from '../../setup.ts'
import type { Choose, Command } from '../command.ts'
import { DAY, MINUTE } from '../durations.ts'
import { stageMail, type World } from '../world.ts'

/** The tasks of the sweep apart from dispatching. Each is one statement. */
export const sweeps = {
  'expire-exports'(world) {
    for (const { export: archive } of world.deletions)
      if (archive.status === 'ready' && (archive.expiresAt ?? 0) <= world.now)
        archive.status = 'expired'
  },
  'stage-reminders'(world) {
    for (const [number, deletion] of world.deletions.entries()) {
      const { status, nextReminderAt, eraseAfter } = deletion
      if (status !== 'pending' || nextReminderAt === null || nextReminderAt > world.now) continue
      const last = eraseAfter - DAY
      deletion.nextReminderAt = last > world.now ? last : null
      if (eraseAfter > world.now) stageMail(world, number, 'deletion-reminder')
    }
  },
  'seal-audit-events'(world) {
    for (const event of world.events) event.sealed = true
  },
  'purge-expired-sessions'(world) {
    for (const session of world.sessions) if (session.expiresAt <= world.now) session.ended = true
  },
  'purge-mails'(world) {
    for (const mail of world.mails)
      if (mail.finishedAt !== null && mail.finishedAt < world.now - 30 * DAY) mail.purged = true
  },
} satisfies Record<string, (world: World) => void>

/** Removes the archives one by one. If the worker crashes, the others are retried a minute later. */
function* removeArchives(world: World, choose: Choose): Generator<void> {
  const closed = ['failed', 'withdrawn', 'expired']
  const archives = world.deletions
    .map((deletion) => deletion.export)
    .filter(({ archive, status }) => archive && closed.includes(status))
    .filter(({ nextAttemptAt }) => nextAttemptAt <= world.now)
  for (const archive of archives) archive.nextAttemptAt = world.now + MINUTE
  while (archives.length > 0) {
    yield
    for (const archive of archives.splice(choose(archives.length), 1)) archive.archive = false
  }
}

type SweepName = keyof typeof sweeps | 'remove-archives'
export const sweepNames = [...Object.keys(sweeps), 'remove-archives'] as SweepName[]

export function sweep(...names: SweepName[]): Command {
  return {
    *modelSteps(world, choose) {
      for (const name of names) {
        yield
        if (name === 'remove-archives') yield* removeArchives(world, choose)
        else sweeps[name](world)
      }
      return {}
    },
    async perform({ deps }) {
      const tasks = sweepTasks(deps, noQueue)
      for (const name of names) await tasks[name].run()
      return { answer: {} }
    },
  }
}
