import fc from 'fast-check'
import { type Intent, pick } from './arbitraries/arbitrary.ts'
import { encounters, labours, mortal, wishes } from './arbitraries/index.ts'
import { fallingAsleepOver, longJob, stumbling, wakingUpNth } from './arbitraries/jobs.ts'
import type { Deed } from './command.ts'
import { jobNames, work } from './commands/work.ts'
import { changes, erasures } from './deadlines.ts'
import { DAY, HOUR, MINUTE, SECOND, YEAR } from './durations.ts'
import { moveClock, settle } from './settle.ts'
import { cutAt, type Real } from './system-under-test.ts'
import { beginning, type Mail, type World } from './world.ts'

export type Command = fc.AsyncCommand<World, Real>

type Doing = (world: World, real: Real, deeds: Deed[]) => Promise<unknown>

function command(name: string, intents: Intent[], doing: Doing): Command {
  return {
    check: (world) => isPossible(world, intents),
    async run(world, real) {
      world.done.push(name)
      await carryOut(world, real, intents, doing)
    },
    toString: () => name,
  }
}

function isPossible(world: World, intents: Intent[]): boolean {
  return prepared(world, intents).length > 0 || planned(world, intents).length === intents.length
}

/** Together, once everything that each of them needs is there. */
async function carryOut(world: World, real: Real, intents: Intent[], doing: Doing): Promise<void> {
  for (let [deed] = prepared(world, intents); deed; [deed] = prepared(world, intents))
    await settle(world, real, [deed])
  const deeds = planned(world, intents)
  if (deeds.length === intents.length) await doing(world, real, deeds)
}

function prepared(world: World, intents: Intent[]): Deed[] {
  return intents.flatMap((intent) => intent.before?.(world) ?? [])
}

function planned(world: World, intents: Intent[]): Deed[] {
  return intents.flatMap((intent) => intent.plan(world) ?? [])
}

function once(intent: Intent): Command {
  return command(intent.name, [intent], settle)
}

const meeting = encounters.map((intents) =>
  command(intents.map(({ name }) => name).join(' WHILE '), intents, settle),
)

const statement = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }))
const cuts = fc.record({ statement, answerLost: fc.boolean() })

const dying = fc
  .tuple(mortal, cuts)
  .map(([intent, cut]) =>
    command(`${intent.name} DIES ${JSON.stringify(cut)}`, [intent], (world, real, deeds) =>
      settle(world, real, deeds, cutAt(real, cut, false)),
    ),
  )

const tripping = fc
  .tuple(stumbling, cuts)
  .map(([intent, cut]) =>
    command(`${intent.name} AT ${JSON.stringify(cut)}`, [intent], (world, real, deeds) =>
      settle(world, real, deeds, cutAt(real, cut, true)),
    ),
  )

/** A worker stands still until its job is lent again, another begins it too, and the first goes on. */
const overtaking = fc.tuple(longJob, pick).map(([name, which]): Command => {
  const both = fallingAsleepOver(name, which)
  const words = `${both.name}, and be overtaken`
  return {
    check: (world) => isPossible(world, [both]),
    async run(world, real) {
      world.done.push(words)
      const first = world.sleepers.length
      await carryOut(world, real, [both], settle)
      await moveClock(world, real, world.now + 11 * SECOND)
      await carryOut(world, real, [both], settle)
      await carryOut(world, real, [wakingUpNth(first)], settle)
    },
    toString: () => words,
  }
})

/** The mail server takes nothing, try after try, until it is given up or the server is back after some days. */
const outage = fc
  .record({ tries: fc.integer({ min: 3, max: 7 }), days: fc.nat(6) })
  .map(({ tries, days }): Command => {
    const words = `the mail server is away for ${tries} tries and ${days} days`
    const tried = async (world: World, real: Real, instant: number) => {
      await moveClock(world, real, Math.max(instant, world.now))
      await settle(world, real, [work(['send-mail'])])
    }
    return {
      check: ({ mails }) => mails.some(isWaiting),
      async run(world, real) {
        world.done.push(words)
        answerWith(world, real, { at: 'RCPT', code: 451 })
        for (let n = 0; n < tries && world.mails.some(isWaiting); n++)
          await tried(world, real, Math.min(...world.mails.filter(isWaiting).map(whenFree)))
        await tried(world, real, world.now + days * DAY)
        answerWith(world, real, { at: 'RCPT', code: 0 })
      },
      toString: () => words,
    }
  })

const working = fc
  .oneof(
    { weight: 5, arbitrary: fc.constant(jobNames) },
    { weight: 3, arbitrary: fc.constantFrom(...jobNames).map((name) => [name]) },
  )
  .map((names) => once({ name: `work ${names.join()}`, plan: () => work(names) }))

const answering = fc
  .constantFrom(
    ...[0, 0, 0].map((code) => ({ at: 'RCPT' as const, code })),
    { at: 'RCPT' as const, code: 451 },
    { at: 'DATA' as const, code: 451 },
    { at: 'RCPT' as const, code: 550 },
    { at: 'DATA' as const, code: 554 },
    { at: 'MAIL' as const, code: 553 },
  )
  .map(
    (answer): Command => ({
      check: () => true,
      async run(world, real) {
        world.done.push(inWords(answer))
        answerWith(world, real, answer)
      },
      toString: () => inWords(answer),
    }),
  )

function answerWith(world: World, { sink }: Real, answer: World['smtp']): void {
  world.smtp = answer
  sink.answer = { ...answer }
}

const isWaiting = ({ status }: Mail) => status === 'pending'
const whenFree = ({ nextAttemptAt }: Mail) => nextAttemptAt

function inWords({ at, code }: World['smtp']): string {
  return `the mail server answers ${code} at ${at}`
}

const spans = [SECOND, 10 * SECOND, 30 * SECOND, 31 * SECOND, 2 * MINUTE, 15 * MINUTE, HOUR]
const longer = [6 * HOUR, DAY, 3 * DAY, 6 * DAY, 7 * DAY, 20 * DAY, 27 * DAY, 60 * DAY]

const ticking = fc
  .constantFrom(...spans, ...spans, ...longer)
  .map((ms) => tick(`${ms / SECOND} s pass`, (world) => world.now + ms))

/** To the next moment at which something changes, the one after it, and so on; or a little before or after. */
const waiting = fc
  .tuple(
    fc.constantFrom(['anything', changes] as const, ['an erasure', erasures] as const),
    fc.oneof(fc.constant(0), fc.nat(4)),
    fc.constantFrom(-1, 0, 0, 1),
  )
  .map(([[what, moments], nth, ms]) =>
    tick(`wait for ${what}, the next but ${nth}, ${ms} ms`, (world) => {
      const next = moments(world).filter((moment) => moment + ms > world.now)
      const sorted = [...new Set(next)].sort((a, b) => a - b)
      return (sorted[Math.min(nth, sorted.length - 1)] ?? world.now + HOUR - ms) + ms
    }),
  )

function tick(name: string, to: (world: World) => number): Command {
  const end = beginning + YEAR
  return {
    check: (world) => world.now < end,
    async run(world, real) {
      world.done.push(name)
      await moveClock(world, real, Math.min(to(world), end))
    },
    toString: () => name,
  }
}

export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 30, arbitrary: wishes.map(once) },
  { weight: 14, arbitrary: labours.map(once) },
  { weight: 12, arbitrary: working },
  { weight: 6, arbitrary: ticking },
  { weight: 14, arbitrary: waiting },
  { weight: 10, arbitrary: dying },
  { weight: 4, arbitrary: tripping },
  { weight: 3, arbitrary: overtaking },
  { weight: 12, arbitrary: meeting },
  { weight: 3, arbitrary: answering },
  { weight: 1, arbitrary: outage },
)
