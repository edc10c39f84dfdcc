import { cancelDeletionByPassword } from '@lethe/accounts'
import { type Cancelled, cancelDeletionByToken } from '@lethe/lifecycle'
import type { FastifyRequest } from 'fastify'
import type { RouteDeps } from './deps.ts'
import { removeArchive } from './remove-archive.ts'

export type CancelWish = { token: string } | { email: string; password: string }

/** What the API and the form of the cancel page do alike, under the same limits. */
export async function cancelDeletion(
  deps: RouteDeps,
  request: FastifyRequest,
  wish: CancelWish,
): Promise<Pick<Cancelled, 'id' | 'status'>> {
  const { db, hasher, consumeLimit, consumePasswordLimit } = deps
  if ('token' in wish) await consumeLimit(request, 'linkPerCaller')
  else await consumePasswordLimit(request, wish.email)
  const { exportId, archive, id, status } =
    'token' in wish
      ? await cancelDeletionByToken(db, wish.token)
      : await cancelDeletionByPassword(db, hasher, wish)
  if (archive) await removeArchive(deps, { exportId, fileName: archive }, request.log)
  return { id, status }
}
