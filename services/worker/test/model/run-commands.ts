import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { setClock } from './clock.ts'
import {
  type Answer,
  type Choose,
  type Command,
  crashed,
  type Outcome,
  performCommand,
} from './command.ts'
import { type Rows, readAllRows } from './rows.ts'
import {
  type DeliveredMail,
  learnGeneratedValues,
  snapshotOfModel,
  snapshotOfRows,
} from './snapshot.ts'
import type { SystemUnderTest } from './system-under-test.ts'
import type { World } from './world.ts'

/**
 * Does these commands for  system, all at once, and looks at every row there is. The answers and the rows must be what the model
 * says, for one of the orders in which the steps of the commands can have followed each other.
 */
export async function runCommands(
  world: World,
  system: SystemUnderTest,
  commands: Command[],
  as: SystemUnderTest = system,
): Promise<Rows> {
  const outcomes = await Promise.all(commands.map((command) => performCommand(command, as)))
  const { rows, text } = await readAllRows(system.db)
  const observed = {
    answers: outcomes.map(({ answer }) => answer),
    ...snapshotOfRows(rows, deliveredMails(system)),
  }
  const candidates = enumerateChoices((choose) => {
    const then = structuredClone(world)
    const answers = runModel(then, commands, outcomes, choose)
    learnGeneratedValues(then, rows, system.keys)
    return { then, expected: { answers, ...snapshotOfModel(then) } }
  })
  let first: object | undefined
  for (const { then, expected } of candidates) {
    first ??= expected
    if (!isDeepStrictEqual(observed, expected)) continue
    for (const { updateModel } of outcomes) updateModel?.(then)
    then.now++
    checkErasedAddresses(then, text)
    Object.assign(world, then)
    return rows
  }
  assert.deepEqual(observed, first)
  throw new Error('unreachable')
}

/** Nothing but time passes. */
export async function moveClock(world: World, { db }: SystemUnderTest, to: number): Promise<void> {
  world.now = to
  await setClock(db, to)
}

/** Where a command died its course may have ended at any of its steps; the answer of one that did not is the model's. */
function runModel(
  world: World,
  commands: Command[],
  outcomes: Outcome[],
  choose: Choose,
): Answer[] {
  const answers: Answer[] = commands.map(() => ({}))
  let running = commands.map((command, index) => ({
    index,
    course: command.modelSteps(world, choose),
  }))
  while (running.length > 0) {
    const next = running[choose(running.length)]
    if (!next) break
    const { index, course } = next
    const hasCrashed = outcomes[index]?.answer === crashed
    const { done, value } =
      hasCrashed && choose(2) === 1 ? { done: true, value: crashed } : course.next()
    if (!done) continue
    answers[index] = hasCrashed ? crashed : (value as Answer)
    running = running.filter((other) => other !== next)
  }
  return answers
}

/** Runs it once for every sequence of choices that it can make; the first way is always taken first. */
function* enumerateChoices<T>(run: (choose: Choose) => T): Generator<T> {
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
function checkErasedAddresses(world: World, text: string): void {
  const known = new Set([
    ...world.people.filter(({ erased }) => !erased).map(({ email }) => email.toLowerCase()),
    ...world.mails.map(({ address }) => address?.toLowerCase()),
  ])
  for (const { email } of world.people)
    if (!known.has(email.toLowerCase()))
      assert.ok(!text.toLowerCase().includes(email.toLowerCase()), `${email} is still named`)
}

function deliveredMails({ sink }: SystemUnderTest): DeliveredMail[] {
  return sink.received.map(({ to, email }) => ({
    id: email.messageId?.match(/^<(.+)@lethe\.test>$/)?.[1] ?? 'without a name',
    // On its way the domain is written small.
    to: to.join().toLowerCase(),
    link: email.text?.match(/#token=([\w-]+)/)?.[1] ?? null,
  }))
}
