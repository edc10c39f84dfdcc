import fc from 'fast-check'
import { anySelection, type CommandTemplate } from './arbitraries/arbitrary.ts'
import {
  anyConcurrentCommands,
  anyCrashableCommand,
  anyUserCommand,
  anyWorkerCommand,
} from './arbitraries/index.ts'
import {
  anyLongJob,
  anyRunWithFailedStatement,
  createPause,
  createResume,
} from './arbitraries/jobs.ts'
import type { Command } from './command.ts'
import { jobNames, work } from './commands/work.ts'
import { allDeadlines, erasureDeadlines } from './deadlines.ts'
import { DAY, HOUR, MINUTE, SECOND, YEAR } from './durations.ts'
import { moveClock, runCommands } from './run-commands.ts'
import { type SystemUnderTest, withFailureAt } from './system-under-test.ts'
import { type Mail, START_TIME, type World } from './world.ts'

export type FastCheckCommand = fc.AsyncCommand<World, SystemUnderTest>

type RunCommands = (world: World, system: SystemUnderTest, commands: Command[]) => Promise<unknown>

function createCommand(
  name: string,
  templates: CommandTemplate[],
  run: RunCommands,
): FastCheckCommand {
  return {
    check: (world) => canRun(world, templates),
    async run(world, system) {
      world.done.push(name)
      await prepareAndRun(world, system, templates, run)
    },
    toString: () => name,
  }
}

function canRun(world: World, templates: CommandTemplate[]): boolean {
  return (
    findPreparations(world, templates).length > 0 ||
    planCommands(world, templates).length === templates.length
  )
}

/** Runs the commands concurrently, after everything that each of them needs has been prepared. */
async function prepareAndRun(
  world: World,
  system: SystemUnderTest,
  templates: CommandTemplate[],
  run: RunCommands,
): Promise<void> {
  for (
    let [command] = findPreparations(world, templates);
    command;
    [command] = findPreparations(world, templates)
  )
    await runCommands(world, system, [command])
  const commands = planCommands(world, templates)
  if (commands.length === templates.length) await run(world, system, commands)
}

function findPreparations(world: World, templates: CommandTemplate[]): Command[] {
  return templates.flatMap((template) => template.findPreparation?.(world) ?? [])
}

function planCommands(world: World, templates: CommandTemplate[]): Command[] {
  return templates.flatMap((template) => template.plan(world) ?? [])
}

function createSingleCommand(template: CommandTemplate): FastCheckCommand {
  return createCommand(template.name, [template], runCommands)
}

const anyConcurrentRun = anyConcurrentCommands.map((templates) =>
  createCommand(templates.map(({ name }) => name).join(' WHILE '), templates, runCommands),
)

const anyStatementNumber = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }))
const anyFailurePoint = fc.record({ statement: anyStatementNumber, answerLost: fc.boolean() })

const anyCrash = fc
  .tuple(anyCrashableCommand, anyFailurePoint)
  .map(([template, failurePoint]) =>
    createCommand(
      `${template.name} CRASHES AT ${JSON.stringify(failurePoint)}`,
      [template],
      (world, system, commands) =>
        runCommands(world, system, commands, withFailureAt(system, failurePoint, false)),
    ),
  )

const anyFailedStatement = fc
  .tuple(anyRunWithFailedStatement, anyFailurePoint)
  .map(([template, failurePoint]) =>
    createCommand(
      `${template.name} FAILS AT ${JSON.stringify(failurePoint)}`,
      [template],
      (world, system, commands) =>
        runCommands(world, system, commands, withFailureAt(system, failurePoint, true)),
    ),
  )

/** A worker pauses until its lease has expired, another worker starts the same job, and the first one resumes. */
const anyExpiredLease = fc
  .tuple(anyLongJob, anySelection)
  .map(([name, which]): FastCheckCommand => {
    const pause = createPause(name, which)
    const text = `${pause.name} until the lease expires`
    return {
      check: (world) => canRun(world, [pause]),
      async run(world, system) {
        world.done.push(text)
        const first = world.pausedWorkers.length
        await prepareAndRun(world, system, [pause], runCommands)
        await moveClock(world, system, world.now + 11 * SECOND)
        await prepareAndRun(world, system, [pause], runCommands)
        await prepareAndRun(world, system, [createResume(first)], runCommands)
      },
      toString: () => text,
    }
  })

/** The mail server refuses every mail for some attempts and days, so that a mail may be given up. */
const anyMailServerOutage = fc
  .record({ attempts: fc.integer({ min: 3, max: 7 }), days: fc.nat(6) })
  .map(({ attempts, days }): FastCheckCommand => {
    const text = `the mail server is unavailable for ${attempts} attempts and ${days} days`
    const attemptAt = async (world: World, system: SystemUnderTest, instant: number) => {
      await moveClock(world, system, Math.max(instant, world.now))
      await runCommands(world, system, [work(['send-mail'])])
    }
    return {
      check: ({ mails }) => mails.some(isWaiting),
      async run(world, system) {
        world.done.push(text)
        setMailServerAnswer(world, system, { at: 'RCPT', code: 451 })
        for (let n = 0; n < attempts && world.mails.some(isWaiting); n++)
          await attemptAt(
            world,
            system,
            Math.min(...world.mails.filter(isWaiting).map(nextAttemptOf)),
          )
        await attemptAt(world, system, world.now + days * DAY)
        setMailServerAnswer(world, system, { at: 'RCPT', code: 0 })
      },
      toString: () => text,
    }
  })

const anyWork = fc
  .oneof(
    { weight: 5, arbitrary: fc.constant(jobNames) },
    { weight: 3, arbitrary: fc.constantFrom(...jobNames).map((name) => [name]) },
  )
  .map((names) => createSingleCommand({ name: `work ${names.join()}`, plan: () => work(names) }))

const anyMailServerAnswer = fc
  .constantFrom(
    ...[0, 0, 0].map((code) => ({ at: 'RCPT' as const, code })),
    { at: 'RCPT' as const, code: 451 },
    { at: 'DATA' as const, code: 451 },
    { at: 'RCPT' as const, code: 550 },
    { at: 'DATA' as const, code: 554 },
    { at: 'MAIL' as const, code: 553 },
  )
  .map(
    (answer): FastCheckCommand => ({
      check: () => true,
      async run(world, system) {
        world.done.push(formatMailServerAnswer(answer))
        setMailServerAnswer(world, system, answer)
      },
      toString: () => formatMailServerAnswer(answer),
    }),
  )

function setMailServerAnswer(world: World, { sink }: SystemUnderTest, answer: World['smtp']): void {
  world.smtp = answer
  sink.answer = { ...answer }
}

const isWaiting = ({ status }: Mail) => status === 'pending'
const nextAttemptOf = ({ nextAttemptAt }: Mail) => nextAttemptAt

function formatMailServerAnswer({ at, code }: World['smtp']): string {
  return `the mail server answers ${code} at ${at}`
}

const shortDurations = [
  SECOND,
  10 * SECOND,
  30 * SECOND,
  31 * SECOND,
  2 * MINUTE,
  15 * MINUTE,
  HOUR,
]
const longDurations = [6 * HOUR, DAY, 3 * DAY, 6 * DAY, 7 * DAY, 20 * DAY, 27 * DAY, 60 * DAY]

const anyPause = fc
  .constantFrom(...shortDurations, ...shortDurations, ...longDurations)
  .map((ms) => advanceClock(`${ms / SECOND} s pass`, (world) => world.now + ms))

/** Advances the clock to the next deadline, or one of the four after it, or a millisecond before or after that. */
const anyWaitForDeadline = fc
  .tuple(
    fc.constantFrom(['anything', allDeadlines] as const, ['an erasure', erasureDeadlines] as const),
    fc.oneof(fc.constant(0), fc.nat(4)),
    fc.constantFrom(-1, 0, 0, 1),
  )
  .map(([[what, findDeadlines], nth, ms]) =>
    advanceClock(`wait for ${what}, the next but ${nth}, ${ms} ms`, (world) => {
      const next = findDeadlines(world).filter((deadline) => deadline + ms > world.now)
      const sorted = [...new Set(next)].sort((a, b) => a - b)
      return (sorted[Math.min(nth, sorted.length - 1)] ?? world.now + HOUR - ms) + ms
    }),
  )

function advanceClock(name: string, to: (world: World) => number): FastCheckCommand {
  const end = START_TIME + YEAR
  return {
    check: (world) => world.now < end,
    async run(world, system) {
      world.done.push(name)
      await moveClock(world, system, Math.min(to(world), end))
    },
    toString: () => name,
  }
}

export const anyCommand: fc.Arbitrary<FastCheckCommand> = fc.oneof(
  { weight: 30, arbitrary: anyUserCommand.map(createSingleCommand) },
  { weight: 14, arbitrary: anyWorkerCommand.map(createSingleCommand) },
  { weight: 12, arbitrary: anyWork },
  { weight: 6, arbitrary: anyPause },
  { weight: 14, arbitrary: anyWaitForDeadline },
  { weight: 10, arbitrary: anyCrash },
  { weight: 4, arbitrary: anyFailedStatement },
  { weight: 3, arbitrary: anyExpiredLease },
  { weight: 12, arbitrary: anyConcurrentRun },
  { weight: 3, arbitrary: anyMailServerAnswer },
  { weight: 1, arbitrary: anyMailServerOutage },
)
