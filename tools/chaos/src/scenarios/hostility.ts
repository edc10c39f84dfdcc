import { setTimeout as wait } from 'node:timers/promises'
import type { Greeting, MailSink, Verdict } from '../system/mail-sink.ts'
import type { Random } from '../system/random.ts'

/** Percent of all offers; the rest is accepted. `hung`: the server stays silent, then cuts the connection. */
export const percent = { dropped: 20, 'refused-4': 20, 'refused-5': 5, hung: 1 } as const
type Fate = keyof typeof percent | 'accepted'

/** Percent of all connections; the rest begin normally. */
const greetingsPercent = { dripping: 1, none: 0.5, busy: 2, nonsense: 2, 'hang-up': 3 } as const

export interface Hostility {
  /** Offers by outcome; `dead` ones never get an answer. */
  observed: Record<Fate | 'dead', number>
  greetings: Record<Exclude<Greeting, 'right'>, number>
}

/** Makes the server fail at these rates. Its first `dead` offers never get an answer. */
export function startHostility(
  sink: MailSink,
  random: Random,
  { hangSeconds: [from, to], dead }: { hangSeconds: [number, number]; dead: number },
): Hostility {
  const observed = { accepted: 0, dropped: 0, 'refused-4': 0, 'refused-5': 0, hung: 0, dead: 0 }
  const greetings = { dripping: 0, none: 0, busy: 0, nonsense: 0, 'hang-up': 0 }
  // A verdict chosen at RCPT TO that takes effect after the message.
  const later = new Map<number, Fate>()
  const befalls = async (fate: Fate): Promise<Verdict> => {
    observed[fate]++
    if (fate !== 'hung') return fate
    await wait(1_000 * random.between(from, to), undefined, { ref: false })
    return 'dropped'
  }
  sink.respond(async ({ at, connection }) => {
    if (at === 'message') return befalls(later.get(connection) ?? 'accepted')
    if (observed.dead < dead) {
      observed.dead++
      return new Promise<never>(() => {})
    }
    const fate = pick(random, percent) ?? 'accepted'
    if (fate !== 'accepted' && fate !== 'dropped' && random.chance(0.5)) return befalls(fate)
    later.set(connection, fate)
    return 'accepted'
  })
  sink.greet(() => {
    const greeting = pick(random, greetingsPercent)
    if (greeting) greetings[greeting]++
    return greeting ?? 'right'
  })
  return { observed, greetings }
}

function pick<Name extends string>(random: Random, shares: Record<Name, number>): Name | undefined {
  let at = random.next() * 100
  for (const name of Object.keys(shares) as Name[]) {
    if (at < shares[name]) return name
    at -= shares[name]
  }
  return undefined
}
