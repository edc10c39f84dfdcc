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

/** The form of the cancel page. Like `POST /v1/deletions/cancel` with address and password, but it answers with a page. */
export const cancelRoute: FastifyPluginAsyncTypebox<RouteDeps> = async (app, deps) => {
  const { folder } = await loadAssets()

  // Pages send forms and programs send JSON: this route accepts only forms, the API only JSON.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(MEDIA_TYPE, { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body as string)))
  })

  app.setErrorHandler((error, request, reply) => {
    const found = toProblem(error)
    logProblem(request, found, error)
    reply.code(found.body.status).headers(found.headers)
    const page = refusedPage(found, typedEmail(request.body))
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

/** The address that the person typed, if the body was read. */
function typedEmail(body: unknown): string {
  const { email } = (body ?? {}) as { email?: unknown }
  return typeof email === 'string' && email.length <= 254 ? email : ''
}
