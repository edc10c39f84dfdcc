import type { FastifyInstance, FastifyRequest } from 'fastify'
import { problem } from './problems.ts'

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * A browser sends our cookies along with what another site's page asks for; such a request changes nothing here.
 * Runs before the body is read and after every `onRequest` hook: who is asking is settled first.
 */
export function refuseCrossSite(app: FastifyInstance, publicUrl: string): void {
  const { origin: publicOrigin } = new URL(publicUrl)
  app.addHook('preParsing', async (request) => {
    if (request.is404 || safeMethods.has(request.method) || bearerToken(request) !== undefined)
      return
    if (!isOurs(request, publicOrigin)) throw problem('cross-site')
  })
}

/** No page can make a browser add this header on its own, so such a request is its sender's own will. */
export function bearerToken({ headers }: FastifyRequest): string | undefined {
  return /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
}

/**
 * Ours is the origin of PUBLIC_URL and the one that was called: `127.0.0.1` where PUBLIC_URL says `localhost`.
 * A stranger can make them agree only with a Host of their own, for which the browser holds no cookie of ours.
 */
function isOurs(request: FastifyRequest, publicOrigin: string): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const { origin } = request.headers
  if (origin === undefined) return true
  return origin === publicOrigin || origin === `${request.protocol}://${request.host}`
}
