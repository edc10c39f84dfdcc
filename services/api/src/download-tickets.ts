import { randomUUID } from 'node:crypto'
import jwt from '@fastify/jwt'
import { readDatabaseTime } from '@lethe/lifecycle'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestAsyncHookHandler,
} from 'fastify'
import type { Deps } from './deps.ts'
import { problem } from './problems.ts'

export const TICKET_COOKIE = 'lethe-export'
/** A day: on a slow line the largest archive takes hours, and an interrupted download resumes with the same cookie. */
const MAX_TICKET_AGE_S = 24 * 60 * 60

export interface DownloadTickets {
  /** Lets this browser download the archive for a day, at most until it expires. The export's row records a withdrawal. */
  issue(reply: FastifyReply, archive: { exportId: string; expiresAt: Date }): Promise<void>
  /** An `onRequest` hook: rejects a request without a valid ticket as `unauthenticated`. */
  require: onRequestAsyncHookHandler
  /** The ticket of a request that passed `require`. */
  get(request: FastifyRequest): Ticket
}

interface Ticket {
  /** Identifies one ticket, so that a download in several ranges is recorded once. */
  id: string
  exportId: string
}

/** The mailed token is sent only in request bodies. A browser's own download sends no body, so it needs a cookie. */
export function downloadTickets(app: FastifyInstance, { db, keys, config }: Deps): DownloadTickets {
  const accepted = new WeakMap<FastifyRequest, Ticket>()
  app.register(jwt, {
    namespace: 'download',
    secret: keys.downloads,
    sign: { algorithm: 'HS256' },
    // The database checks the expiry, as for access tokens.
    verify: { algorithms: ['HS256'], ignoreExpiration: true },
  })
  const tickets = () => (app.jwt as unknown as { download: typeof app.jwt }).download
  const verifyTicket = (ticket: string): (Ticket & { exp: number }) | undefined => {
    try {
      return tickets().verify(ticket)
    } catch {
      return undefined
    }
  }
  return {
    async issue(reply, { exportId, expiresAt }) {
      const iat = await readDatabaseTime(db)
      const exp = Math.min(iat + MAX_TICKET_AGE_S, Math.floor(expiresAt.getTime() / 1_000))
      const ticket = tickets().sign({ id: randomUUID(), exportId, iat, exp })
      reply.setCookie(TICKET_COOKIE, ticket, {
        httpOnly: true,
        sameSite: 'strict',
        path: '/v1/exports',
        secure: config.secure,
        maxAge: exp - iat,
      })
    },
    async require(request) {
      const ticket = verifyTicket(request.cookies[TICKET_COOKIE] ?? '')
      if (!ticket || ticket.exp <= (await readDatabaseTime(db)))
        throw problem('unauthenticated', {
          detail:
            'Open the link in the mail first. It lets this browser download the archive for a day.',
        })
      accepted.set(request, ticket)
    },
    get(request) {
      const ticket = accepted.get(request)
      if (ticket === undefined) throw new Error('this route does not require a ticket')
      return ticket
    },
  }
}
