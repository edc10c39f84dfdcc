import { setTimeout as wait } from 'node:timers/promises'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import type { Client } from './client.ts'
import type { Environment } from './environment.ts'
import type { TestPerson } from './people.ts'

const EVERY_MS = 200
/** So that there is always something to interrupt, and the machine has time for the rest. */
const AT_ONCE = 2
const MADE_TOGETHER = 30
/** One of so many has as many saved passwords as some have. */
const RICH_ONE_OF = 10
const RICHES = 1_000

/**
 * People ask for their deletion, one after the other, so that about `open` deletions are under way at any time. Resolves
 * when `stop` fires and everybody who began to ask has an answer, with their number.
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

/** A 401 is one too: an earlier request was done, and its answer lost. */
async function untilAnswered(client: Client, person: TestPerson): Promise<void> {
  await until('an answer to a deletion', async () => {
    const { status } = await client.delete(person)
    return status === 202 || status === 401
  })
}
