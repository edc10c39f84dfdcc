import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { withTimeout } from '@lethe/db'
import { describeTrip, findOpenTrips, type Readiness, type Trip } from '@lethe/lifecycle'
import type { OpenQueue } from '@lethe/queue'
import type { Deps } from './deps.ts'
import { metricsText, readMetrics } from './metrics.ts'
import { queuePage } from './queue-page.ts'

const READINESS_TIMEOUT_MS = 2_000
const MAX_FAILED_JOBS_SHOWN = 50

interface HealthOptions {
  host: string
  port: number
  whyNotReady: Readiness
  /** Undefined before the worker has started its jobs and after it begins to stop. */
  queue(): OpenQueue | undefined
}

interface Answer {
  status: number
  type: string
  body: string
}

/** Serves health, metrics and the queue page on their own port. */
export async function startHealth(deps: Deps, options: HealthOptions) {
  const { host, port, whyNotReady, queue } = options
  const routes: Record<string, (request: IncomingMessage) => Promise<Answer>> = {
    '/healthz': async () => json(200, { status: 'ok' }),
    '/readyz': async () => {
      const late = unavailable('The database does not answer.')
      return withTimeout(checkReadiness(deps, whyNotReady, queue()), READINESS_TIMEOUT_MS, late)
    },
    '/metrics': async () => ({
      status: 200,
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: metricsText(await readMetrics(deps.db, queue())),
    }),
    '/queue': async (request) => {
      if (!isLocal(request))
        return problem(403, 'local-only', 'The queue page is available from this machine only')
      const opened = queue()
      const failed = (await opened?.failedJobs(MAX_FAILED_JOBS_SHOWN).catch(() => [])) ?? []
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

async function checkReadiness(
  { db }: Deps,
  whyNotReady: Readiness,
  queue: OpenQueue | undefined,
): Promise<Answer> {
  const reason = await whyNotReady()
  if (reason) return unavailable(reason)
  if (!queue) return unavailable('The worker is starting or stopping.')
  const reached = await queue.counts('send-mail').catch(() => undefined)
  if (!reached) return unavailable('The queue cannot be reached.')
  const trips = await findOpenTrips(db)
  return trips.length > 0 ? erasureStopped(trips) : json(200, { status: 'ok' })
}

/**
 * The queue page has no log-in, so the request must come from this machine. The Host header is checked too: it rejects
 * requests through a proxy, and from a website whose domain resolves to this address (DNS rebinding).
 */
function isLocal({ headers, socket }: IncomingMessage): boolean {
  const from = socket.remoteAddress?.replace('::ffff:', '') ?? ''
  const name = URL.parse(`http://${headers.host}`)?.hostname ?? ''
  return /^(127\.[\d.]+|::1)$/.test(from) && /^(localhost|127\.[\d.]+|\[::1\])$/.test(name)
}

function json(status: number, value: object): Answer {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) }
}

/** A problem document (RFC 9457), like those of the API. */
function problem(status: number, code: string, title: string, detail?: string): Answer {
  const body = JSON.stringify({ type: `/problems/${code}`, title, status, detail })
  return { status, type: 'application/problem+json; charset=utf-8', body }
}

function unavailable(detail: string): Answer {
  return problem(503, 'unavailable', 'The service cannot work at the moment', detail)
}

/** This state has its own problem code, so a caller that waits for readiness knows that everything else works. */
function erasureStopped(trips: Trip[]): Answer {
  const detail = `${trips.map(describeTrip).join(' ')} Everything else keeps running. Inspect with \`pnpm lethe breaker\`; resume erasure with \`pnpm lethe breaker release\`.`
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
