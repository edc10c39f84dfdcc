import type { FastifyInstance } from 'fastify'
import { linkPages } from './link-pages.ts'

/**
 * Redirects a mailed link whose `#` a mail gateway has encoded (`/export%23token=…`, once or several times) to its page,
 * with the token in the fragment again. The redirect changes nothing, so that link scanners may follow it.
 */
export function restoreLinks(app: FastifyInstance): void {
  app.addHook('preHandler', async (request, reply) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return
    const link = restoredLink(request.raw.url ?? '')
    if (link === undefined) return
    // The token stands in this request's URL: no browser may keep it or name it to the page.
    reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
    return reply.redirect(link, 302)
  })
}

const encodedHash = /%(?:25)*23/

/** Only the path of a page and base64url go into the answer, so it leads nowhere else, whatever the URL holds. */
function restoredLink(url: string): string | undefined {
  const [beforeHash = ''] = url.split(encodedHash, 1)
  const [path = ''] = beforeHash.split('?', 1)
  const page = linkPages.find((page) => path === page.path || path === `${page.path}/`)
  const isAsMailed = beforeHash === url && path === page?.path
  if (page === undefined || isAsMailed) return undefined
  const token = /token=([\w-]{1,128})/.exec(decoded(url.slice(beforeHash.length)))?.[1]
  return token === undefined ? page.path : `${page.path}#token=${token}`
}

/** Gateways that follow each other encode a link several times over. */
const MAX_ENCODINGS = 4

function decoded(text: string): string {
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
