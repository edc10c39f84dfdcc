import type { FastifyInstance } from 'fastify'
import { findUnstorableText } from './find-unstorable-text.ts'
import { problem } from './problems.ts'
import { violationMembers } from './violations.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Every route parses JSON. An empty body counts as no body whatever Content-Type says: clients send `DELETE` with
 * `Content-Type: application/json` and no body.
 */
export function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    try {
      void parseJson(request, utf8.decode(body as Buffer), done)
    } catch {
      done(problem('malformed-json'))
    }
  })

  // Where an object is required, a missing body is validated as `{}`, so that the answer names the missing members.
  app.addHook('preValidation', async (request) => {
    const schema = request.routeOptions.schema?.body as { type?: unknown } | undefined
    if (request.body === undefined && schema?.type === 'object') request.body = {}
  })

  app.addHook('preHandler', async (request) => {
    const errors = findUnstorableText(request.body)
    if (errors.length > 0) throw problem('invalid-request', { members: violationMembers(errors) })
  })
}
