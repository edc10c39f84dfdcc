import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describeTrip, openTrips, type Readiness, type Trip } from '@lethe/lifecycle'
import type { OpenQueue } from '@lethe/queue'
import type { Deps } from './deps.ts'
import { metricsText, readMetrics } from './metrics.ts'
import { queuePage } from './queue-page.ts'

const PATIENCE_MS = 2_000
const FAILED_SHOWN = 50

interface HealthOptions {
  host: string
  port: number
  whyNotReady: Readiness
  /** None until the worker has begun, nor any more once it stops. */
  queue(): OpenQueue | undefined
}

interface Answer {
  status: number
  type: string
  body: string
}

/** Health, metrics and a look at the queue, on a port of their own. */
export async function startHealth(deps: Deps, options: HealthOptions) {
  const { host, port, whyNotReady, queue } = options
  const routes: Record<string, (request: IncomingMessage) => Promise<Answer>> = {
    '/healthz': async () => json(200, { status: 'ok' }),
    '/readyz': async () => {
      const late = unavailable('The database does not answer.')
      return within(whetherWorking(deps, whyNotReady, queue()), late)
    },
    '/metrics': async () => ({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: metricsText(await readMetrics(deps.db, queue())),
    }),
    '/queue': async (request) => {
      if (!isLocal(request))
        return problem(403, 'local-only', 'The queue is shown on this machine alone')
      const opened = queue()
      const failed = (await opened?.failedJobs(FAILED_SHOWN).catch(() => [])) ?? []
      const body = queuePage(await readMetrics(deps.db, opened), failed)
      return { status: 200, type: 'text/html; charset=utf-8', body }
    },
  }

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const route = routes[request.url?.split('?')[0] ?? '']
    if (!route) return problem(404, 'not-found', 'There is nothing at this address')
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return problem(405, 'method-not-allowed', 'This address does not take that method')
    try {
      return await route(request)
    } catch (err) {
      deps.log.warn({ err }, 'health.failed')
      return unavailable('The database or the queue cannot be reached.')
    }
  }
  const server = createServer((request, response) => {
    void answer(request).then((given) => reply(request, response, given))
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function whetherWorking(
  { db }: Deps,
  whyNotReady: Readiness,
  queue: OpenQueue | undefined,
): Promise<Answer> {
  const reason = await whyNotReady()
  if (reason) return unavailable(reason)
  if (!queue) return unavailable('The worker is starting or stopping.')
  const reached = await queue.counts('send-mail').catch(() => undefined)
  if (!reached) return unavailable('The queue cannot be reached.')
  const trips = await openTrips(db)
  return trips.length > 0 ? stopped(trips) : json(200, { status: 'ok' })
}

async function within<T>(answer: Promise<T>, late: T): Promise<T> {
  const timeout = Promise.withResolvers<T>()
  const timer = setTimeout(() => timeout.resolve(late), PATIENCE_MS)
  try {
    return await Promise.race([answer, timeout.promise])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * There is no log-in for the page yet. The name is looked at too: a web site whose name points here is not this machine,
 * and neither is a proxy in front of it.
 */
function isLocal({ headers, socket }: IncomingMessage): boolean {
  const from = socket.remoteAddress?.replace('::ffff:', '') ?? ''
  const name = URL.parse(`http://${headers.host}`)?.hostname ?? ''
  return /^(127\.[\d.]+|::1)$/.test(from) && /^(localhost|127\.[\d.]+|\[::1\])$/.test(name)
}

function json(status: number, value: object): Answer {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) }
}

/** RFC 9457, as the API's. */
function problem(status: number, code: string, title: string, detail?: string): Answer {
  const body = JSON.stringify({ type: `/problems/${code}`, title, status, detail })
  return { status, type: 'application/problem+json; charset=utf-8', body }
}

function unavailable(detail: string): Answer {
  return problem(503, 'unavailable', 'The service cannot work at the moment', detail)
}

/** A code of its own: whoever waits for the start knows by it that all the rest works. */
function stopped(trips: Trip[]): Answer {
  const detail = `${trips.map(describeTrip).join(' ')} All else goes on. Look with \`pnpm lethe breaker\`; \`pnpm lethe breaker release\` is what goes on with erasing.`
  return problem(503, 'erasure-stopped', 'Erasure is stopped', detail)
}

function reply(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': Buffer.byteLength(answer.body),
    'cache-control': 'no-store',
    'content-security-policy':
      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    'x-content-type-options': 'nosniff',
    ...(answer.status === 405 && { allow: 'GET, HEAD' }),
  })
  response.end(request.method === 'HEAD' ? undefined : answer.body)
}
