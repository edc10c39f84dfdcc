import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { RouteDeps } from '../deps.ts'
import { problem } from '../problems.ts'

const Alive = Type.Object({ status: Type.Literal('ok') })

export const healthRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (
  app,
  { isStopping, whyNotReady },
) => {
  const schema = { tags: ['operation'], response: { 200: Alive } }

  app.get(
    '/healthz',
    { schema: { summary: 'Whether the process is alive', ...schema } },
    async () => ({ status: 'ok' as const }),
  )

  app.get(
    '/readyz',
    { schema: { summary: 'Whether it is ready for requests, or why not', ...schema } },
    async () => {
      const detail = isStopping() ? 'The API is stopping.' : await whyNotReady()
      if (detail !== undefined) throw problem('unavailable', { detail })
      return { status: 'ok' as const }
    },
  )
}
