import { slowness, until } from '@lethe/machine-speed'
import type { Recorder } from '../history/recorder.ts'
import { password, type TestPerson } from './people.ts'

export interface Reply {
  /** Undefined: no answer came; `failure` says why. */
  status?: number
  failure?: string
  body: Record<string, unknown>
  sentAt: Date
  /** Milliseconds. */
  took: number
}

/** Sends the requests of people and records every answer. */
export interface Client {
  /** Requests the deletion. */
  delete(person: TestPerson, body?: object): Promise<Reply>
  cancel(person: TestPerson, deletionId: string, token: string): Promise<Reply>
  /** Uses the session that the person had from the start. */
  use(person: TestPerson): Promise<Reply>
  logIn(person: TestPerson): Promise<Reply>
  /** Any other request; recorded as `what`. */
  ask(what: string, request: Ask): Promise<Reply>
}

export interface Ask {
  method: string
  path: string
  person?: TestPerson
  cookie?: string
  /** An access token. */
  token?: string
  body?: object
  deletionId?: string
  credential?: string
}

/** Retries while the answer is 503, which a busy machine may cause. */
export function retryUnavailable(ask: () => Promise<Reply>): Promise<Reply> {
  return until('an answer other than 503', async () => {
    const reply = await ask()
    return reply.status !== 503 && reply
  })
}

/** Retries until the deletion is requested. A 401 after a 503 means that the first request was done. */
export async function requestDeletion(
  client: Client,
  person: TestPerson,
  onBusy = () => {},
): Promise<void> {
  let unsure = false
  const { status, failure } = await retryUnavailable(async () => {
    const reply = await client.delete(person)
    if (reply.status === 503) {
      unsure = true
      onBusy()
    }
    return reply
  })
  if (status === 202 || (unsure && status === 401)) return
  throw new Error(`a deletion was answered with ${status ?? failure}`)
}

/** How long a client waits for an answer. */
export const requestTimeoutMs = () => Math.round(30_000 * slowness())

/** Sends one request. */
export type Send = (base: string, request: Ask) => Promise<Omit<Reply, 'sentAt' | 'took'>>

export function createClient(base: string, recorder: Recorder, send: Send = fetched): Client {
  const ask = async (what: string, request: Ask): Promise<Reply> => {
    const sent = recorder.tick()
    const sentAt = new Date()
    const began = performance.now()
    const reply = await send(base, request)
    const { status, body } = reply
    const answered = recorder.tick()
    const { deletion, deletionStatus } = body as {
      deletion?: { id?: string }
      deletionStatus?: string
    }
    recorder.note({
      ...{ what, sent, answered, status, credential: request.credential },
      userId: request.person?.id,
      deletionId: request.deletionId ?? deletion?.id,
      detail: deletionStatus,
    })
    return { ...reply, sentAt, took: performance.now() - began }
  }
  const own = ({ cookie }: TestPerson) => ({ cookie, credential: cookie.slice(0, 8) })
  return {
    ask,
    async delete(person, body = {}) {
      // The session is older than the run, so it is recorded with the earliest time.
      recorder.note({
        what: 'credential',
        userId: person.id,
        credential: own(person).credential,
        sent: 0,
      })
      return ask('delete', {
        method: 'DELETE',
        path: `/v1/users/${person.id}`,
        person,
        body,
        ...own(person),
      })
    },
    cancel: (person, deletionId, token) =>
      ask('cancel', {
        method: 'POST',
        path: '/v1/deletions/cancel',
        person,
        body: { token },
        deletionId,
      }),
    use: (person) =>
      ask('use', { method: 'GET', path: `/v1/users/${person.id}`, person, ...own(person) }),
    logIn: (person) =>
      ask('log-in', {
        ...{ method: 'POST', path: '/v1/sessions', person },
        body: { email: person.address, password },
      }),
  }
}

export function headersOf({ cookie, token, body }: Ask): Record<string, string> {
  return {
    ...(cookie && { cookie: `neptun-session=${cookie}` }),
    ...(token && { authorization: `Bearer ${token}` }),
    ...(body && { 'content-type': 'application/json' }),
  }
}

async function fetched(base: string, request: Ask): Promise<Omit<Reply, 'sentAt' | 'took'>> {
  const { method, path, body } = request
  try {
    const response = await fetch(base + path, {
      ...{ method, headers: headersOf(request) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(requestTimeoutMs()),
    })
    const text = await response.text()
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : {} }
  } catch (error) {
    const { code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
    return { failure: code ?? (error as Error).name, body: {} }
  }
}
