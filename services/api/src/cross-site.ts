import type { FastifyInstance, FastifyRequest } from 'fastify'
import { problem } from './problems.ts'

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * Rejects requests from pages of other sites that would change something: the browser adds our cookies to them.
 * Runs before the body is read and after every `onRequest` hook, so authentication errors come first.
 */
export function rejectCrossSite(app: FastifyInstance, publicUrl: string): void {
  const { origin: publicOrigin } = new URL(publicUrl)
  app.addHook('preParsing', async (request) => {
    if (request.is404 || safeMethods.has(request.method) || bearerToken(request) !== undefined)
      return
    if (!isSameOrigin(request, publicOrigin)) throw problem('cross-site')
  })
}

/** No page of another site can make a browser add this header by itself, so a request with it is intended by its sender. */
export function bearerToken({ headers }: FastifyRequest): string | undefined {
  return /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
}

/**
 * Same-origin is the origin of PUBLIC_URL, or the origin that the request was sent to: `127.0.0.1` where PUBLIC_URL says
 * `localhost`. An attacker can match the latter only with their own Host, for which the browser has no cookie of ours.
 */
function isSameOrigin(request: FastifyRequest, publicOrigin: string): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const { origin } = request.headers
  if (origin === undefined) return true
  return origin === publicOrigin || origin === `${request.protocol}://${request.host}`
}
