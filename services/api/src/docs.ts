import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { TICKET_COOKIE } from './download-tickets.ts'

/** The schema of every error, for the documentation. */
const ProblemSchema = Type.Object(
  {
    type: Type.String({
      description: '`/problems/<code>`: stable, and a page that says what to do next',
    }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.Optional(Type.String()),
    errors: Type.Optional(
      Type.Array(Type.Object({ in: Type.String(), pointer: Type.String(), detail: Type.String() })),
    ),
    moreErrors: Type.Optional(
      Type.Integer({ description: 'How many more errors there are than `errors` lists' }),
    ),
  },
  { description: 'RFC 9457' },
)

const problemResponse = {
  description: 'Every other answer is a problem document',
  content: { 'application/problem+json': { schema: ProblemSchema } },
}

// Same origin only. Swagger UI sets inline styles, and shows an image in a response as a blob.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Serves `/openapi.json`, generated from the schemas of the routes, and a page at `/docs` to browse it. */
export function serveDocs(app: FastifyInstance, sessionCookieName: string): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Lethe', description: 'Account deletion as a service', version: '1' },
      components: {
        securitySchemes: {
          session: { type: 'apiKey', in: 'cookie', name: sessionCookieName },
          archive: { type: 'apiKey', in: 'cookie', name: TICKET_COOKIE },
          accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        },
      },
    },
    transform: ({ schema, url, route }) => ({
      url,
      schema: {
        ...schema,
        ...(route.onRequest && { security: credentialsFor(url) }),
        ...(url.startsWith('/v1/') && {
          response: { default: problemResponse, ...(schema.response as object) },
        }),
      },
    }),
  })
  app.register(swaggerUi, { routePrefix: '/docs', staticCSP: contentSecurityPolicy })
  app.register(async (scope) => {
    scope.get('/openapi.json', { schema: { hide: true } }, () => scope.swagger())
  })
}

/** Routes accept a cookie or an access token, except these two. */
function credentialsFor(url: string): Record<string, string[]>[] {
  if (url === '/v1/exports/archive') return [{ archive: [] }]
  if (url.startsWith('/api/profile/')) return [{ accessToken: [] }]
  return [{ session: [] }, { accessToken: [] }]
}
