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
 * Runs these commands concurrently on the system and reads all rows. The answers and rows must match the model for at least
 * one order of the commands' steps. Updates `world` to the matching state.
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
    const next = structuredClone(world)
    const answers = runModel(next, commands, outcomes, choose)
    learnGeneratedValues(next, rows, system.keys)
    return { next, expected: { answers, ...snapshotOfModel(next) } }
  })
  let first: object | undefined
  for (const { next, expected } of candidates) {
    first ??= expected
    if (!isDeepStrictEqual(observed, expected)) continue
    for (const { updateModel } of outcomes) updateModel?.(next)
    next.now++
    checkErasedAddresses(next, text)
    Object.assign(world, next)
    return rows
  }
  assert.deepEqual(observed, first)
  throw new Error('unreachable')
}

/** Only time passes. */
export async function moveClock(world: World, { db }: SystemUnderTest, to: number): Promise<void> {
  world.now = to
  await setClock(db, to)
}

/** Runs the commands in the model. A crashed command may end at any of its steps; the others answer as the model predicts. */
function runModel(
  world: World,
  commands: Command[],
  outcomes: Outcome[],
  choose: Choose,
): Answer[] {
  const answers: Answer[] = commands.map(() => ({}))
  let running = commands.map((command, index) => ({
    index,
    steps: command.modelSteps(world, choose),
  }))
  while (running.length > 0) {
    const next = running[choose(running.length)]
    if (!next) break
    const { index, steps } = next
    const hasCrashed = outcomes[index]?.answer === crashed
    const { done, value } =
      hasCrashed && choose(2) === 1 ? { done: true, value: crashed } : steps.next()
    if (!done) continue
    answers[index] = hasCrashed ? crashed : (value as Answer)
    running = running.filter((other) => other !== next)
  }
  return answers
}

/** Calls `run` once for every possible sequence of choices, beginning with the first alternative of each. */
function* enumerateChoices<T>(run: (choose: Choose) => T): Generator<T> {
  const chosen: { index: number; alternatives: number }[] = []
  do {
    let at = 0
    yield run((alternatives) => {
      chosen[at] ??= { index: 0, alternatives }
      return chosen[at++]?.index ?? 0
    })
    while (chosen.length > 0 && isLast(chosen.at(-1))) chosen.pop()
    const last = chosen.at(-1)
    if (last) last.index++
  } while (chosen.length > 0)
}

function isLast(chosen: { index: number; alternatives: number } | undefined): boolean {
  return chosen !== undefined && chosen.index + 1 >= chosen.alternatives
}

/** Once their mails are sent, no row contains the address of an erased account. */
function checkErasedAddresses(world: World, text: string): void {
  const known = new Set([
    ...world.people.filter(({ erased }) => !erased).map(({ email }) => email.toLowerCase()),
    ...world.mails.map(({ address }) => address?.toLowerCase()),
  ])
  for (const { email } of world.people)
    if (!known.has(email.toLowerCase()))
      assert.ok(!text.toLowerCase().includes(email.toLowerCase()), `no row contains ${email}`)
}

function deliveredMails({ sink }: SystemUnderTest): DeliveredMail[] {
  return sink.received.map(({ to, email }) => ({
    id: email.messageId?.match(/^<(.+)@lethe\.test>$/)?.[1] ?? 'no Message-ID',
    // The mailer converts the domain to lower case.
    to: to.join().toLowerCase(),
    link: email.text?.match(/#token=([\w-]+)/)?.[1] ?? null,
  }))
}
