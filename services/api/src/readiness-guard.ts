import { adoptSecretKey, foreignSecretKey, type Readiness } from '@lethe/lifecycle'
import type { FastifyInstance } from 'fastify'
import type { Deps } from './deps.ts'
import { problem } from './problems.ts'

const alwaysServed = new Set<string | undefined>(['/healthz', '/readyz'])

/**
 * Serves only the health routes until the database is migrated and set up with our SECRET_KEY: the right key could not
 * open what another key sealed or signed. Once ready, the guard never checks again.
 */
export function rejectUntilReady(
  app: FastifyInstance,
  whyNotReady: Readiness,
  { db, keys }: Pick<Deps, 'db' | 'keys'>,
): void {
  let isReady = false
  app.addHook('onRequest', async ({ routeOptions }) => {
    if (isReady || alwaysServed.has(routeOptions.url)) return
    const detail = await whyNotReady()
    if (detail !== undefined) throw problem('unavailable', { detail })
    if (!(await adoptSecretKey(db, keys)))
      throw problem('unavailable', { detail: foreignSecretKey })
    isReady = true
  })
}
