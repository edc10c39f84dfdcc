import type { FastifyInstance } from 'fastify'

/** Reads and drops a body of any type, up to the usual limit: some clients send one where none is asked for. */
export function ignoreBodies(app: FastifyInstance): void {
  // A type that is none would be refused before any parser is asked.
  app.addHook('onRequest', async ({ headers }) => {
    delete headers['content-type']
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null))
}
