import type { FastifyInstance } from 'fastify'
import { findUnstorableText } from './find-unstorable-text.ts'
import { problem } from './problems.ts'
import { violationMembers } from './violations.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * JSON is the one type that every route reads. An empty body is no body, whatever the header says:
 * clients send `DELETE` with `Content-Type: application/json` and nothing behind it.
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

  // No body where an object is wanted is judged as an empty one: what is missing gets its name.
  app.addHook('preValidation', async (request) => {
    const schema = request.routeOptions.schema?.body as { type?: unknown } | undefined
    if (request.body === undefined && schema?.type === 'object') request.body = {}
  })

  app.addHook('preHandler', async (request) => {
    const errors = findUnstorableText(request.body)
    if (errors.length > 0) throw problem('invalid-request', { members: violationMembers(errors) })
  })
}
