import type { FastifyInstance } from 'fastify'

/** Reads and discards a body of any type, up to the usual limit: some clients send one that the route does not need. */
export function ignoreBodies(app: FastifyInstance): void {
  // Fastify rejects a malformed content type before it calls a parser.
  app.addHook('onRequest', async ({ headers }) => {
    delete headers['content-type']
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null))
}
