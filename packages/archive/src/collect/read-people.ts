import type { SnapshotPool } from '@lethe/db'
import type { Plan } from '@lethe/erasure'
import { type RawBuilder, sql } from 'kysely'
import { type ReadPerson, rowsOf } from './read-person.ts'

/** Of each person so many rows of a kind, and bytes in all, are held in memory: who has more is lent alone the next time. */
const ROWS = 1_000
const BYTES = 256 * 1024

/**
 * All of several people at once, of one snapshot: to ask for one after the other takes far longer than to read what each of
 * them has. Undefined for whoever has much.
 */
export async function readPeople(
  readers: SnapshotPool,
  plan: Plan,
  userIds: readonly number[],
  signal: AbortSignal,
): Promise<(ReadPerson | undefined)[]> {
  const wanted = rowsOf(plan, sql`one.person`)
  const read = new Map(userIds.map((userId) => [userId, newPerson(wanted.length)]))
  const queries = wanted.map((rows) => ofEach([...read.keys()], rows))
  return readers.snapshot(signal, queries, async ({ takenAt, next }) => {
    for (const place of queries.keys())
      for await (const lines of next())
        for (const { userId, line } of toldApart(lines)) add(read.get(userId), place, line)
    return userIds.map((userId) => handOver(takenAt, read.get(userId)))
  })
}

/** One row more shows that there are too many. The person comes first in each row, and each one's rows in their order. */
function ofEach(userIds: readonly number[], rows: RawBuilder<unknown>): RawBuilder<unknown> {
  const people = sql`unnest(${`{${userIds.join()}}`}::bigint[])`
  return sql`select one.person, their.* from ${people} as one (person)
    cross join lateral (${rows} limit ${ROWS + 1}::bigint) as their`
}

interface Person {
  kinds: { rows: number; lines: Buffer[] }[]
  bytes: number
}

function newPerson(kinds: number): Person {
  return { kinds: Array.from({ length: kinds }, () => ({ rows: 0, lines: [] })), bytes: 0 }
}

const [TAB, LINE] = [0x09, 0x0a]

/** The rows without the number that each begins with; a person of whom nothing is told has a row of nothing else. */
function* toldApart(lines: Buffer): Generator<{ userId: number; line: Buffer }> {
  for (let at = 0; at < lines.length; ) {
    let userId = 0
    for (; isDigit(lines[at] as number); at++) userId = 10 * userId + (lines[at] as number) - ZERO
    if (lines[at] === TAB) at++
    const end = lines.indexOf(LINE, at) + 1
    yield { userId, line: lines.subarray(at, end) }
    at = end
  }
}

const ZERO = 0x30
const isDigit = (byte: number) => byte >= ZERO && byte < ZERO + 10

function add(person: Person | undefined, place: number, line: Buffer): void {
  const kind = person?.kinds[place]
  if (!person || !kind) throw new Error('rows came of somebody who was not asked for')
  kind.rows++
  person.bytes += line.length
  if (hasMuch(person)) for (const { lines } of person.kinds) lines.length = 0
  else kind.lines.push(line)
}

const hasMuch = ({ kinds, bytes }: Person) => bytes > BYTES || kinds.some(({ rows }) => rows > ROWS)

function handOver(takenAt: Date, person: Person | undefined): ReadPerson | undefined {
  if (!person || hasMuch(person)) return undefined
  const waiting = person.kinds.values()
  const next = () => oneByOne(waiting.next().value?.lines ?? [])
  return (read) => read({ takenAt, next })
}

async function* oneByOne(lines: Buffer[]): AsyncGenerator<Buffer> {
  yield* lines
}
