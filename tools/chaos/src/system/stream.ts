import { setTimeout as wait } from 'node:timers/promises'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import type { Client } from './client.ts'
import type { Environment } from './environment.ts'
import type { TestPerson } from './people.ts'

const EVERY_MS = 200
/** Enough that there is always work to interrupt, and little enough to leave CPU time for the rest. */
const AT_ONCE = 2
const MADE_TOGETHER = 30
/** One person of this many has `RICHES` saved passwords. */
const RICH_ONE_OF = 10
const RICHES = 1_000

/**
 * Requests deletions so that about `open` of them are in progress at any time. Resolves with their number when `stop`
 * fires and every request has an answer.
 */
export async function streamOfPeople(
  environment: Environment,
  { open, client = environment.client }: { open: number; client?: Client },
  stop: AbortSignal,
): Promise<number> {
  const waiting: TestPerson[] = []
  let asked = 0
  while (!stop.aborted) {
    if (waiting.length < AT_ONCE) waiting.push(...(await more(environment)))
    const capacity = Math.min(AT_ONCE, open - (await underWay(environment)))
    const now = waiting.splice(0, Math.max(0, capacity))
    asked += now.length
    await Promise.all(now.map((person) => untilAnswered(client, person)))
    await wait(EVERY_MS)
  }
  return asked
}

async function more(environment: Environment): Promise<TestPerson[]> {
  const rich = MADE_TOGETHER / RICH_ONE_OF
  const people = await environment.people(MADE_TOGETHER - rich)
  return [...people, ...(await environment.people(rich, { savedPasswords: RICHES }))]
}

async function underWay({ db }: Environment): Promise<number> {
  const { rows } = await sql<{ open: number }>`
    select count(*) as open from public.deletions where status in ('pending', 'erasing')`.execute(
    db,
  )
  return rows[0]?.open ?? 0
}

/** A 401 also counts: an earlier request was done and its answer lost. */
async function untilAnswered(client: Client, person: TestPerson): Promise<void> {
  await until('an answer to a deletion', async () => {
    const { status } = await client.delete(person)
    return status === 202 || status === 401
  })
}
