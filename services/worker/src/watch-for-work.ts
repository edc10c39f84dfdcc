import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { sleep } from './loop.ts'
import type { ConditionalTask } from './sweep.ts'

/** An idle worker looks once a second: one transaction, whatever the number of tasks. */
const IDLE_MS = 1_000
const BUSY_MS = 250

interface Watch<Name> {
  /** Runs this task now: what creates work announces it. */
  ask(name: Name): void
  /** Resolves after `stop`, once no task runs any more. */
  ended: Promise<unknown>
}

/** Looks for work until `stop` fires, and runs the tasks that have some, each beside the others. */
export function watchForWork<Name extends string>(
  db: Db,
  tasks: Record<Name, ConditionalTask>,
  failed: (task: string) => (error: unknown) => void,
  stop: AbortSignal,
): Watch<Name> {
  const names = Object.keys(tasks) as Name[]
  const runners = Object.fromEntries(
    names.map((name) => [name, createRunner(tasks[name], failed(name), stop)]),
  ) as Record<Name, Runner>
  const onError = failed('look')
  const look = async () => {
    while (!stop.aborted) {
      const found = await findWork(db, tasks).catch((error: unknown) => {
        onError(error)
        return []
      })
      for (const name of found) runners[name].ask()
      await sleep(found.length > 0 ? BUSY_MS : IDLE_MS, stop)
    }
    await Promise.all(names.map((name) => runners[name].idle()))
  }
  return { ask: (name) => runners[name].ask(), ended: look() }
}

/** The names of the tasks that have something to do. One statement, and no row is locked or counted for it. */
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
  ask(): void
  idle(): Promise<void> | undefined
}

/** Asked while the task runs, it runs once more afterwards: what was announced meanwhile may have been missed. */
function createRunner(
  { run }: ConditionalTask,
  onError: (error: unknown) => void,
  stop: AbortSignal,
): Runner {
  let asked = false
  let running: Promise<void> | undefined
  const work = async () => {
    while (asked && !stop.aborted) {
      asked = false
      try {
        while (!stop.aborted && (await run()));
      } catch (error) {
        onError(error)
      }
    }
    running = undefined
  }
  return {
    ask() {
      asked = true
      running ??= work()
    },
    idle: () => running,
  }
}
