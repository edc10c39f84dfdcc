import { adoptSecretKey, foreignSecretKey, type Readiness } from '@lethe/lifecycle'
import type { FastifyInstance } from 'fastify'
import type { Deps } from './deps.ts'
import { problem } from './problems.ts'

const always = new Set<string | undefined>(['/healthz', '/readyz'])

/**
 * Nothing but the health routes is served until the database was once seen migrated and set up with our SECRET_KEY:
 * what another key sealed or signed would be lost to the right one. Once open it stays open.
 */
export function rejectUntilReady(
  app: FastifyInstance,
  whyNotReady: Readiness,
  { db, keys }: Pick<Deps, 'db' | 'keys'>,
): void {
  let open = false
  app.addHook('onRequest', async ({ routeOptions }) => {
    if (open || always.has(routeOptions.url)) return
    const detail = await whyNotReady()
    if (detail !== undefined) throw problem('unavailable', { detail })
    if (!(await adoptSecretKey(db, keys)))
      throw problem('unavailable', { detail: foreignSecretKey })
    open = true
  })
}
