import { cancelDeletionByPassword } from '@lethe/accounts'
import { type Cancelled, cancelDeletionByToken } from '@lethe/lifecycle'
import type { FastifyRequest } from 'fastify'
import type { RouteDeps } from './deps.ts'
import { removeArchive } from './remove-archive.ts'

export type CancelRequest = { token: string } | { email: string; password: string }

/** Cancels a deletion for the API route and for the form of the cancel page, under the same rate limits. */
export async function cancelDeletion(
  deps: RouteDeps,
  request: FastifyRequest,
  cancel: CancelRequest,
): Promise<Pick<Cancelled, 'id' | 'status'>> {
  const { db, hasher, consumeLimit, consumePasswordLimit } = deps
  if ('token' in cancel) await consumeLimit(request, 'linkPerCaller')
  else await consumePasswordLimit(request, cancel.email)
  const { exportId, archive, id, status } =
    'token' in cancel
      ? await cancelDeletionByToken(db, cancel.token)
      : await cancelDeletionByPassword(db, hasher, cancel)
  if (archive) await removeArchive(deps, { exportId, fileName: archive }, request.log)
  return { id, status }
}
