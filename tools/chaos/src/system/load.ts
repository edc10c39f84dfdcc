import { setTimeout as wait } from 'node:timers/promises'
import { type Client, createClient, type Reply, type Send } from './client.ts'
import type { Environment } from './environment.ts'
import { sendOverKept } from './kept-connections.ts'
import { password } from './people.ts'
import type { Random } from './random.ts'

/** How one kind of client sends its requests. */
interface LoadProfile {
  name: string
  connections: number
  /** Requests sent at a time, then a pause of `pauseMs`. */
  atOnce: number
  pauseMs(): number
  /** How long a body pauses half-way. */
  bodyPauseMs?: () => number
  /** Checks /readyz, as a load balancer does, and sends nothing while it fails. */
  balanced: boolean
}

/** Outcomes of requests. */
export interface Tally {
  answered: number
  /** Refused connections: no API listened, so the request goes to the next one. */
  refused: number
  /** Every 5xx, and every request without an answer. */
  failures: { at: Date; who: string; what: string; status: number | undefined }[]
}

/** Sends requests and counts their outcomes. */
export function counting(tally: Tally, who: string, send: Send): Send {
  return async (base, ask) => {
    const reply = await send(base, ask)
    const { status, failure } = reply
    if (failure?.startsWith('ECONNREFUSED')) tally.refused++
    else if (status === undefined || status >= 500)
      tally.failures.push({ at: new Date(), who, what: failure ?? String(status), status })
    else tally.answered++
    return reply
  }
}

const READY_EVERY_MS = 500

/** Keeps the API busy with several kinds of clients until `stop` fires. Its people keep their accounts. */
export async function loadApi(
  environment: Environment,
  random: Random,
  tally: Tally,
  stop: AbortSignal,
): Promise<void> {
  const { apiUrl, recorder } = environment
  const people = await Promise.all([1, 2, 3, 4].map((n) => signUp(environment, `load-${n}`)))
  const isReady = watchReadiness(apiUrl, stop)
  const often = () => random.between(5, 60)
  const profiles: LoadProfile[] = [
    { name: 'balancer', connections: 6, atOnce: 1, pauseMs: often, balanced: true },
    { name: 'plain client', connections: 3, atOnce: 1, pauseMs: often, balanced: false },
    {
      ...{ name: 'client in bursts', connections: 6, atOnce: 6, balanced: false },
      pauseMs: () => random.between(300, 1_800),
    },
    {
      ...{ name: 'slow client', connections: 3, atOnce: 1, pauseMs: often, balanced: false },
      bodyPauseMs: () => random.between(0, 4_000),
    },
  ]
  const run = async (profile: LoadProfile) => {
    const kept = sendOverKept(profile.connections, profile.bodyPauseMs)
    const send = counting(tally, profile.name, kept)
    const client = createClient(apiUrl, recorder, send)
    const loop = async () => {
      while (!stop.aborted) {
        if (!profile.balanced || isReady()) {
          await Promise.all(
            Array.from({ length: profile.atOnce }, () => ask(client, random, people)),
          )
        }
        await wait(profile.pauseMs())
      }
    }
    await Promise.all(Array.from({ length: profile.connections / profile.atOnce }, loop))
  }
  await Promise.all(profiles.map(run))
}

interface Caller {
  id: number
  token: string
}

/** Signs up through the API, so that saved passwords are really sealed. */
async function signUp({ client }: Environment, name: string): Promise<Caller> {
  const body = { email: `${name}@load.example`, password }
  const made = await client.ask('sign-up', { method: 'POST', path: '/v1/users', body })
  const entered = await client.ask('enter', { method: 'POST', path: '/v1/tokens', body })
  const { id } = made.body.user as { id: number }
  return { id, token: entered.body.accessToken as string }
}

function ask(client: Client, random: Random, people: Caller[]): Promise<Reply> {
  const { id, token } = random.pick(people)
  const path = `/v1/users/${id}`
  if (random.chance(0.6)) return client.ask('look', { method: 'GET', path, token })
  const body = { site: 'https://load.example', username: 'me', password: 'x'.repeat(200) }
  return client.ask('save', { method: 'POST', path: `${path}/passwords`, token, body })
}

/** Polls /readyz on new connections, as a load balancer does. */
function watchReadiness(url: string, stop: AbortSignal): () => boolean {
  let ready = true
  const watch = async () => {
    while (!stop.aborted) {
      const headers = { connection: 'close' }
      const answer = await fetch(`${url}/readyz`, { headers }).catch(() => undefined)
      ready = answer?.ok ?? false
      await wait(READY_EVERY_MS)
    }
  }
  void watch()
  return () => ready
}
