import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { cancelDeletion } from '../cancel-deletion.ts'
import type { RouteDeps } from '../deps.ts'
import { logProblem } from '../error-replies.ts'
import { toProblem } from '../problems.ts'
import { Credentials } from '../routes/schemas.ts'
import { loadAssets } from './assets.ts'
import { cancelledPage, refusedPage } from './cancel-answer.ts'
import { cancelPage } from './cancel-page.ts'
import { layout } from './layout.ts'
import { sendPage } from './send-page.ts'

const MEDIA_TYPE = 'application/x-www-form-urlencoded'

/** The form of the cancel page: what `POST /v1/deletions/cancel` does with address and password, answered as a page. */
export const cancelRoute: FastifyPluginAsyncTypebox<RouteDeps> = async (app, deps) => {
  const { folder } = await loadAssets()

  // A form is what pages send, and JSON is what programs send: neither reads the other's.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(MEDIA_TYPE, { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body as string)))
  })

  app.setErrorHandler((error, request, reply) => {
    const found = toProblem(error)
    logProblem(request, found, error)
    reply.code(found.body.status).headers(found.headers)
    const page = refusedPage(found, emailIn(request.body))
    return sendPage(reply, layout(page, folder), cancelPage.referrerPolicy)
  })

  app.post(
    cancelPage.path,
    { schema: { hide: true, body: Credentials } },
    async (request, reply) => {
      await cancelDeletion(deps, request, request.body)
      return sendPage(reply, layout(cancelledPage, folder), cancelPage.referrerPolicy)
    },
  )
}

/** What was typed as the address, if the body was read at all. */
function emailIn(body: unknown): string {
  const { email } = (body ?? {}) as { email?: unknown }
  return typeof email === 'string' && email.length <= 254 ? email : ''
}
