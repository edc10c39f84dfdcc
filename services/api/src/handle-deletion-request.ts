import { AccountError, getAddress, requestDeletion } from '@lethe/accounts'
import type { Deletion } from '@lethe/lifecycle'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sessionOf } from './auth.ts'
import type { RouteDeps } from './deps.ts'
import { clearSessionCookie } from './session-cookie.ts'

/** Handles a deletion request for all three routes that accept one; each answers in its own shape. */
export async function handleDeletionRequest(
  { db, keys, hasher, config, consumeLimit, consumePasswordLimit }: RouteDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  input: { userId: number; password?: string | undefined; eraseNow?: boolean | undefined },
): Promise<Deletion> {
  const session = sessionOf(request)
  const isOwn = session.userId === input.userId
  // Check before counting: a stranger must not use up the owner's attempts.
  if (!isOwn && session.role !== 'administrator') throw new AccountError('not-authorized')
  await consumeLimit(request, 'deletionPerAccount', input.userId)
  if (input.password !== undefined)
    await consumePasswordLimit(request, await getAddress(db, session))
  const deletion = await requestDeletion(db, keys, hasher, session, input, {
    gracePeriod: config.gracePeriod.iso,
    reauthenticationWindow: config.reauthenticationWindow.iso,
  })
  if (isOwn) clearSessionCookie(reply, config)
  return deletion
}

/** For the routes that answer 404 both for another person's account and for none. */
export function maskAsNotFound(error: unknown): never {
  if (error instanceof AccountError && error.code === 'not-authorized')
    throw new AccountError('user-not-found')
  throw error
}
