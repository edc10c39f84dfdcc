import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { sleep } from './loop.ts'
import type { ConditionalTask } from './sweep.ts'

/** An idle worker checks once a second, in one transaction for all tasks. */
const IDLE_INTERVAL_MS = 1_000
const BUSY_INTERVAL_MS = 250

interface Watch<Name> {
  /** Runs this task now, since a notification announced work for it. */
  requestRun(name: Name): void
  /** Resolves after `stop`, once every task has ended. */
  ended: Promise<unknown>
}

/** Checks for work until `stop` aborts and runs the tasks that have some concurrently. */
export function watchForWork<Name extends string>(
  db: Db,
  tasks: Record<Name, ConditionalTask>,
  onTaskError: (task: string) => (error: unknown) => void,
  stop: AbortSignal,
): Watch<Name> {
  const names = Object.keys(tasks) as Name[]
  const runners = Object.fromEntries(
    names.map((name) => [name, createRunner(tasks[name], onTaskError(name), stop)]),
  ) as Record<Name, Runner>
  const onError = onTaskError('look')
  const watch = async () => {
    while (!stop.aborted) {
      const found = await findWork(db, tasks).catch((error: unknown) => {
        onError(error)
        return []
      })
      for (const name of found) runners[name].requestRun()
      await sleep(found.length > 0 ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS, stop)
    }
    await Promise.all(names.map((name) => runners[name].idle()))
  }
  return { requestRun: (name) => runners[name].requestRun(), ended: watch() }
}

/** The names of the tasks that have work. One statement, which locks and counts no rows. */
export async function findWork<Name extends string>(
  db: Db,
  tasks: Record<Name, ConditionalTask>,
): Promise<Name[]> {
  const found = Object.entries<ConditionalTask>(tasks).map(
    ([name, { when }]) => sql`case when ${when} then ${sql.lit(name)} end`,
  )
  const { rows } = await sql<{ found: Name[] }>`/* look for work */
    select array_remove(array[${sql.join(found)}], null) as found`.execute(db)
  return rows[0]?.found ?? []
}

interface Runner {
  requestRun(): void
  idle(): Promise<void> | undefined
}

/** A request during a run leads to one more run, since the current run may miss the new work. */
function createRunner(
  { run }: ConditionalTask,
  onError: (error: unknown) => void,
  stop: AbortSignal,
): Runner {
  let isRequested = false
  let running: Promise<void> | undefined
  const work = async () => {
    while (isRequested && !stop.aborted) {
      isRequested = false
      try {
        while (!stop.aborted && (await run()));
      } catch (error) {
        onError(error)
      }
    }
    running = undefined
  }
  return {
    requestRun() {
      isRequested = true
      running ??= work()
    },
    idle: () => running,
  }
}
