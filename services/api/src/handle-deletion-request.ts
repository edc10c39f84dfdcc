import { AccountError, getAddress, requestDeletion } from '@lethe/accounts'
import type { Deletion } from '@lethe/lifecycle'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sessionOf } from './auth.ts'
import type { RouteDeps } from './deps.ts'
import { clearSessionCookie } from './session-cookie.ts'

/** What all three routes do: one deletion, whoever asks in whichever shape. */
export async function handleDeletionRequest(
  { db, keys, hasher, config, consumeLimit, consumePasswordLimit }: RouteDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: { userId: number; password?: string | undefined; eraseNow?: boolean | undefined },
): Promise<Deletion> {
  const session = sessionOf(request)
  const isOwn = session.userId === asked.userId
  // A stranger must not use up the owner's tries.
  if (!isOwn && session.role !== 'administrator') throw new AccountError('not-authorized')
  await consumeLimit(request, 'deletionPerAccount', asked.userId)
  if (asked.password !== undefined)
    await consumePasswordLimit(request, await getAddress(db, session))
  const deletion = await requestDeletion(db, keys, hasher, session, asked, {
    gracePeriod: config.gracePeriod.iso,
    reauthenticationWindow: config.reauthenticationWindow.iso,
  })
  if (isOwn) clearSessionCookie(reply, config)
  return deletion
}

/** For the routes on which anyone else's account, and none, look the same. */
export function maskAsNotFound(error: unknown): never {
  if (error instanceof AccountError && error.code === 'not-authorized')
    throw new AccountError('user-not-found')
  throw error
}
