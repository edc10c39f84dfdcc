import type { SnapshotPool } from '@lethe/db'
import type { Plan } from '@lethe/erasure'
import { type RawBuilder, sql } from 'kysely'
import { buildQueries, type ReadPerson } from './read-person.ts'

/** Limits of what is held in memory for each person. The export of a person with more is dispatched individually. */
const MAX_ROWS_PER_DATASET = 1_000
const MAX_BYTES_PER_PERSON = 256 * 1024

/**
 * Reads the rows of several people together, in one snapshot: separate queries for each person take far longer.
 * Undefined for a person whose data is over the limits.
 */
export async function readPeople(
  readers: SnapshotPool,
  plan: Plan,
  userIds: readonly number[],
  signal: AbortSignal,
): Promise<(ReadPerson | undefined)[]> {
  const wanted = buildQueries(plan, sql`one.person`)
  const read = new Map(userIds.map((userId) => [userId, createBuffer(wanted.length)]))
  const queries = wanted.map((rows) => queryForEach([...read.keys()], rows))
  return readers.snapshot(signal, queries, async ({ takenAt, next }) => {
    for (const place of queries.keys())
      for await (const lines of next())
        for (const { userId, line } of splitByPerson(lines)) addRow(read.get(userId), place, line)
    return userIds.map((userId) => toReadPerson(takenAt, read.get(userId)))
  })
}

/** Reads one row beyond the limit, to detect it. Each row starts with the person's id; a person's rows keep their order. */
function queryForEach(userIds: readonly number[], rows: RawBuilder<unknown>): RawBuilder<unknown> {
  const people = sql`unnest(${`{${userIds.join()}}`}::bigint[])`
  return sql`select one.person, their.* from ${people} as one (person)
    cross join lateral (${rows} limit ${MAX_ROWS_PER_DATASET + 1}::bigint) as their`
}

interface BufferedRows {
  datasets: { rows: number; lines: Buffer[] }[]
  bytes: number
}

function createBuffer(datasets: number): BufferedRows {
  return { datasets: Array.from({ length: datasets }, () => ({ rows: 0, lines: [] })), bytes: 0 }
}

const [TAB, LINE_FEED] = [0x09, 0x0a]

/** Splits the person's id off each row. A row of a table without exported columns has nothing else. */
function* splitByPerson(lines: Buffer): Generator<{ userId: number; line: Buffer }> {
  for (let at = 0; at < lines.length; ) {
    let userId = 0
    for (; isDigit(lines[at] as number); at++) userId = 10 * userId + (lines[at] as number) - ZERO
    if (lines[at] === TAB) at++
    const end = lines.indexOf(LINE_FEED, at) + 1
    yield { userId, line: lines.subarray(at, end) }
    at = end
  }
}

const ZERO = 0x30
const isDigit = (byte: number) => byte >= ZERO && byte < ZERO + 10

function addRow(person: BufferedRows | undefined, place: number, line: Buffer): void {
  const dataset = person?.datasets[place]
  if (!person || !dataset)
    throw new Error('the query returned rows of a person who was not requested')
  dataset.rows++
  person.bytes += line.length
  if (isTooLarge(person)) for (const { lines } of person.datasets) lines.length = 0
  else dataset.lines.push(line)
}

const isTooLarge = ({ datasets, bytes }: BufferedRows) =>
  bytes > MAX_BYTES_PER_PERSON || datasets.some(({ rows }) => rows > MAX_ROWS_PER_DATASET)

function toReadPerson(takenAt: Date, person: BufferedRows | undefined): ReadPerson | undefined {
  if (!person || isTooLarge(person)) return undefined
  const waiting = person.datasets.values()
  const next = () => yieldLines(waiting.next().value?.lines ?? [])
  return (read) => read({ takenAt, next })
}

async function* yieldLines(lines: Buffer[]): AsyncGenerator<Buffer> {
  yield* lines
}
