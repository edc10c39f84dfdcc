import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import type { ApiConfig } from './config.ts'

/** Sets the headers of every response, and the CORS rules for other origins. */
export function setHeaders(app: FastifyInstance, config: ApiConfig): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
  })

  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })

  app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    xFrameOptions: { action: 'deny' },
    // A year, for this host alone: its subdomains may belong to other services.
    strictTransportSecurity: config.secure && { maxAge: 31_536_000, includeSubDomains: false },
  })

  // Bearer tokens only: a page of another origin never acts with the session cookie.
  if (config.allowedOrigins.length > 0)
    app.register(cors, {
      origin: config.allowedOrigins,
      credentials: false,
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type'],
      exposedHeaders: ['retry-after', 'location', 'x-request-id'],
      maxAge: 600,
      strictPreflight: false,
    })
}
