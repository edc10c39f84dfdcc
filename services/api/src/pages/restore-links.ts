import type { FastifyInstance } from 'fastify'
import { linkPages } from './link-pages.ts'

/**
 * Redirects a mailed link whose `#` a mail gateway has encoded (`/export%23token=…`, once or several times) to its page,
 * with the token in the fragment again. The redirect changes nothing, so link scanners may follow it.
 */
export function restoreLinks(app: FastifyInstance): void {
  app.addHook('preHandler', async (request, reply) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return
    const link = redirectTarget(request.raw.url ?? '')
    if (link === undefined) return
    // The URL of this request contains the token: the browser must not cache it or send it as a referrer.
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
    return reply.redirect(link, 302)
  })
}

const encodedHash = /%(?:25)*23/

/** The redirect contains only the path of a page and base64url, so it cannot lead to another site. */
function redirectTarget(url: string): string | undefined {
  const [beforeHash = ''] = url.split(encodedHash, 1)
  const [path = ''] = beforeHash.split('?', 1)
  const page = linkPages.find((page) => path === page.path || path === `${page.path}/`)
  const isAsMailed = beforeHash === url && path === page?.path
  if (page === undefined || isAsMailed) return undefined
  const token = /token=([\w-]{1,128})/.exec(decodeRepeatedly(url.slice(beforeHash.length)))?.[1]
  return token === undefined ? page.path : `${page.path}#token=${token}`
}

/** Several gateways in a row encode a link several times. */
const MAX_ENCODINGS = 4

function decodeRepeatedly(text: string): string {
  let plain = text
  for (let layer = 0; layer < MAX_ENCODINGS && plain.includes('%'); layer++) {
    try {
      plain = decodeURIComponent(plain)
    } catch {
      break
    }
  }
  return plain
}
