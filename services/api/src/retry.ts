import { isSerializationFailure } from '@lethe/db'
import type { FastifyInstance } from 'fastify'

const MAX_TRIES = 3

/**
 * Runs a request's handler again when PostgreSQL rolled its transaction back because of another one (deadlock,
 * serialization failure). Everything a handler does outside its transaction is safe to do twice.
 */
export function retrySerializationFailures(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    const { handler } = route
    route.handler = async function (request, reply) {
      for (let tries = 1; ; tries++)
        try {
          return await handler.call(this, request, reply)
        } catch (error) {
          if (tries === MAX_TRIES || reply.sent || !isSerializationFailure(error)) throw error
          request.log.info({ tries, err: error }, 'request.retried')
        }
    }
  })
}
