import { sweepTasks } from '../../../src/sweep.ts'
import { noQueue } from '../../setup.ts'
import { atOnce, type Deed } from '../deed.ts'
import { DAY, MINUTE } from '../spans.ts'
import { stage, type World } from '../world.ts'

/** What the sweep does apart from lending; the product's own tasks. */
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
      if (eraseAfter > world.now) stage(world, number, 'deletion-reminder')
    }
  },
  'remove-archives'(world) {
    const closed = ['failed', 'withdrawn', 'expired']
    for (const { export: archive } of world.deletions) {
      if (!archive.archive || !closed.includes(archive.status)) continue
      if (archive.nextAttemptAt > world.now) continue
      Object.assign(archive, { archive: false, nextAttemptAt: world.now + MINUTE })
    }
  },
  'seal-audit-events'(world) {
    for (const event of world.events) event.sealed = true
  },
  'forget-expired-sessions'(world) {
    for (const session of world.sessions) if (session.expiresAt <= world.now) session.over = true
  },
  'forget-mails'(world) {
    for (const mail of world.mails)
      if (mail.finishedAt !== null && mail.finishedAt < world.now - 30 * DAY) mail.forgotten = true
  },
} satisfies Record<string, (world: World) => void>

type SweepName = keyof typeof sweeps
export const sweepNames = Object.keys(sweeps) as SweepName[]

export function sweep(...names: SweepName[]): Deed {
  return {
    course: atOnce((world) => {
      for (const name of names) sweeps[name](world)
      return {}
    }),
    async perform({ deps }) {
      const tasks = sweepTasks(deps, noQueue)
      for (const name of names) await tasks[name].run()
      return { answer: {} }
    },
  }
}
