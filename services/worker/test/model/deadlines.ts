import { HOUR, reauthenticationWindow } from './durations.ts'
import { isOpen, type World } from './world.ts'

/** The times at which erasures become due, with the promised export and without it. */
export function erasureDeadlines({ deletions }: World): number[] {
  return deletions.flatMap((row) => (isOpen(row) ? [row.eraseAfter, row.eraseAfter + HOUR] : []))
}

/** The times at which something changes without a command. */
export function allDeadlines(world: World): number[] {
  const { deletions, mails, sessions } = world
  return [
    ...erasureDeadlines(world),
    ...deletions.flatMap((row) =>
      isOpen(row) ? [row.nextReminderAt ?? 0, row.nextAttemptAt] : [],
    ),
    ...deletions.flatMap(({ export: { status, nextAttemptAt, expiresAt } }) => [
      ...(status === 'pending' ? [nextAttemptAt] : []),
      ...(status === 'ready' && expiresAt ? [expiresAt] : []),
    ]),
    ...mails.flatMap((mail) => (mail.status === 'pending' ? [mail.nextAttemptAt] : [])),
    ...sessions.flatMap(({ ended, authenticatedAt, expiresAt }) =>
      ended ? [] : [authenticatedAt + reauthenticationWindow.ms, expiresAt],
    ),
  ]
}
