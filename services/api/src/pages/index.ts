import type { FastifyPluginAsync } from 'fastify'
import { problemTypes } from '../problem-types.ts'
import { loadAssets } from './assets.ts'
import { layout } from './layout.ts'
import { linkPages } from './link-pages.ts'
import { problemPage } from './problem-page.ts'
import { sendPage } from './send-page.ts'

/**
 * The pages behind the links in mails, and those of the problem types. Every visitor gets the same bytes: the token stays
 * in the fragment of the link, and only the page's own script sends it, by POST.
 */
export const pages: FastifyPluginAsync = async (app) => {
  const assets = await loadAssets()
  const fixed = { schema: { hide: true } }

  for (const page of linkPages) {
    const html = layout(page, assets.folder)
    app.get(page.path, fixed, (_request, reply) => sendPage(reply, html, page.referrerPolicy))
  }

  const problems = new Map(
    Object.entries(problemTypes).map(([code, type]) => [
      code,
      layout(problemPage(code, type), assets.folder),
    ]),
  )
  app.get<{ Params: { code: string } }>('/problems/:code', fixed, (request, reply) => {
    const html = problems.get(request.params.code)
    return html === undefined ? reply.callNotFound() : sendPage(reply, html)
  })

  app.get<{ Params: { version: string; name: string } }>(
    '/assets/:version/:name',
    fixed,
    ({ params }, reply) => {
      const asset = assets.files.get(params.name)
      if (!asset) return reply.callNotFound()
      // A page of the previous or next release still gets its script, but the browser must not cache it.
      const cacheable = assets.folder.endsWith(`/${params.version}`)
      return reply
        .header('cache-control', cacheable ? 'public, max-age=31536000, immutable' : 'no-store')
        .type(asset.type)
        .send(asset.body)
    },
  )
}
