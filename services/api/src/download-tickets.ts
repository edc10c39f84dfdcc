import jwt from '@fastify/jwt'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestAsyncHookHandler,
} from 'fastify'
import type { Deps } from './deps.ts'
import { problem } from './problems.ts'

export const TICKET_COOKIE = 'lethe-export'
const SECONDS = 10 * 60

export interface DownloadTickets {
  /** Lets this browser fetch the archive for ten minutes. */
  give(reply: FastifyReply, exportId: string): void
  /** An `onRequest` hook: without a valid ticket it is `unauthenticated`. */
  ask: onRequestAsyncHookHandler
  exportIdOf(request: FastifyRequest): string
}

/** The token of the mail travels in a body alone; a download, which a browser makes by itself, needs a cookie. */
export function downloadTickets(app: FastifyInstance, { keys, config }: Deps): DownloadTickets {
  const exportIds = new WeakMap<FastifyRequest, string>()
  app.register(jwt, {
    namespace: 'download',
    secret: keys.downloads,
    sign: { algorithm: 'HS256', expiresIn: SECONDS },
    verify: { algorithms: ['HS256'] },
  })
  const tickets = () => (app.jwt as unknown as { download: typeof app.jwt }).download
  return {
    give(reply, exportId) {
      reply.setCookie(TICKET_COOKIE, tickets().sign({ exportId }), {
        httpOnly: true,
        sameSite: 'strict',
        path: '/v1/exports',
        secure: config.secure,
        maxAge: SECONDS,
      })
    },
    async ask(request) {
      try {
        const { exportId } = tickets().verify<{ exportId: string }>(
          request.cookies[TICKET_COOKIE] ?? '',
        )
        exportIds.set(request, exportId)
      } catch {
        throw problem('unauthenticated', {
          detail:
            'Open the link in the mail first: it lets this browser fetch the archive for ten minutes.',
        })
      }
    },
    exportIdOf(request) {
      const exportId = exportIds.get(request)
      if (exportId === undefined) throw new Error('this route asks for no ticket')
      return exportId
    },
  }
}
