import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { setClock } from './clock.ts'
import { type Answer, type Choose, type Deed, died, type Outcome, outcomeOf } from './command.ts'
import { type Rows, readAll } from './rows.ts'
import { type Left, learnNames, pictureOf, pictureOfRows } from './snapshot.ts'
import type { Real } from './system-under-test.ts'
import type { World } from './world.ts'

/**
 * Does these deeds for real, all at once, and looks at every row there is. The answers and the rows must be what the model
 * says, for one of the orders in which the steps of the deeds can have followed each other.
 */
export async function settle(
  world: World,
  real: Real,
  deeds: Deed[],
  as: Real = real,
): Promise<Rows> {
  const outcomes = await Promise.all(deeds.map((deed) => outcomeOf(deed, as)))
  const { rows, text } = await readAll(real.db)
  const seen = {
    answers: outcomes.map(({ answer }) => answer),
    ...pictureOfRows(rows, leftOf(real)),
  }
  const fit = everyWay((choose) => {
    const then = structuredClone(world)
    const answers = play(then, deeds, outcomes, choose)
    learnNames(then, rows, real.keys)
    return { then, expected: { answers, ...pictureOf(then) } }
  })
  let first: object | undefined
  for (const { then, expected } of fit) {
    first ??= expected
    if (!isDeepStrictEqual(seen, expected)) continue
    for (const { keep } of outcomes) keep?.(then)
    then.now++
    namesNobody(then, text)
    Object.assign(world, then)
    return rows
  }
  assert.deepEqual(seen, first)
  throw new Error('unreachable')
}

/** Nothing but time passes. */
export async function moveClock(world: World, { db }: Real, to: number): Promise<void> {
  world.now = to
  await setClock(db, to)
}

/** Where a deed died its course may have ended at any of its steps; the answer of one that did not is the model's. */
function play(world: World, deeds: Deed[], outcomes: Outcome[], choose: Choose): Answer[] {
  const answers: Answer[] = deeds.map(() => ({}))
  let going = deeds.map((deed, index) => ({ index, course: deed.course(world, choose) }))
  while (going.length > 0) {
    const next = going[choose(going.length)]
    if (!next) break
    const { index, course } = next
    const dead = outcomes[index]?.answer === died
    const { done, value } = dead && choose(2) === 1 ? { done: true, value: died } : course.next()
    if (!done) continue
    answers[index] = dead ? died : (value as Answer)
    going = going.filter((other) => other !== next)
  }
  return answers
}

/** Runs it once for every sequence of choices that it can make; the first way is always taken first. */
function* everyWay<T>(run: (choose: Choose) => T): Generator<T> {
  const taken: { way: number; ways: number }[] = []
  do {
    let at = 0
    yield run((ways) => {
      taken[at] ??= { way: 0, ways }
      return taken[at++]?.way ?? 0
    })
    while (taken.length > 0 && isLast(taken.at(-1))) taken.pop()
    const turn = taken.at(-1)
    if (turn) turn.way++
  } while (taken.length > 0)
}

function isLast(taken: { way: number; ways: number } | undefined): boolean {
  return taken !== undefined && taken.way + 1 >= taken.ways
}

/** What remains of the erased names nobody, once their mails have left. */
function namesNobody(world: World, text: string): void {
  const known = new Set([
    ...world.people.filter(({ erased }) => !erased).map(({ email }) => email.toLowerCase()),
    ...world.mails.map(({ address }) => address?.toLowerCase()),
  ])
  for (const { email } of world.people)
    if (!known.has(email.toLowerCase()))
      assert.ok(!text.toLowerCase().includes(email.toLowerCase()), `${email} is still named`)
}

function leftOf({ sink }: Real): Left[] {
  return sink.received.map(({ to, email }) => ({
    id: email.messageId?.match(/^<(.+)@lethe\.test>$/)?.[1] ?? 'without a name',
    // On its way the domain is written small.
    to: to.join().toLowerCase(),
    link: email.text?.match(/#token=([\w-]+)/)?.[1] ?? null,
  }))
}
