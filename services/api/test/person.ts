import type { Db } from '@lethe/db'
import { deletionToken, exportToken, type Keys } from '@lethe/lifecycle'
import type { FastifyInstance, InjectOptions } from 'fastify'

export const password = 'correct horse battery staple'

/** A signed-up user with a session cookie and tokens. */
export interface ApiUser {
  id: number
  email: string
  cookie: string
  accessToken: string
  refreshToken: string
  /** Sends a request with the session cookie. */
  withCookie(
    method: InjectOptions['method'],
    url: string,
    payload?: InjectOptions['payload'],
  ): Reply
  /** Sends a request with the access token. */
  withToken(method: InjectOptions['method'], url: string, payload?: InjectOptions['payload']): Reply
}

type Reply = ReturnType<typeof inject>

export async function createApiUser(app: FastifyInstance, email: string): Promise<ApiUser> {
  const { id } = (await inject(app, 'POST', '/v1/users', { email, password })).json().user
  return logIn(app, email, id)
}

export async function logIn(app: FastifyInstance, email: string, id: number): Promise<ApiUser> {
  const session = await inject(app, 'POST', '/v1/sessions', { email, password })
  const tokens = await inject(app, 'POST', '/v1/tokens', { email, password })
  const [{ name, value } = { name: '', value: '' }] = session.cookies
  const cookie = `${name}=${value}`
  const { accessToken, refreshToken } = tokens.json()
  return {
    id,
    email,
    cookie,
    accessToken,
    refreshToken,
    withCookie: (method, url, payload) => inject(app, method, url, payload, { cookie }),
    withToken: (method, url, payload) =>
      inject(app, method, url, payload, { authorization: `Bearer ${accessToken}` }),
  }
}

export function inject(
  app: FastifyInstance,
  method: InjectOptions['method'] = 'GET',
  url: string,
  payload?: InjectOptions['payload'],
  headers: InjectOptions['headers'] = {},
) {
  return app.inject({ method, url, headers, ...(payload !== undefined && { payload }) })
}

/** The token in the mail about this user's open deletion. */
export async function cancelToken(db: Db, keys: Keys, userId: number): Promise<string> {
  const { token_nonce } = await db
    .selectFrom('deletions')
    .select('token_nonce')
    .where('user_id', '=', userId)
    .where('status', '=', 'pending')
    .executeTakeFirstOrThrow()
  if (!token_nonce) throw new Error('a pending deletion without its nonce')
  return deletionToken(keys, token_nonce)
}

/** The token in the mail about this user's export. */
export async function archiveToken(db: Db, keys: Keys, userId: number): Promise<string> {
  const { token_nonce } = await db
    .selectFrom('exports')
    .select('token_nonce')
    .where('user_id', '=', userId)
    .where('status', 'in', ['pending', 'ready'])
    .executeTakeFirstOrThrow()
  if (!token_nonce) throw new Error('an export without its nonce')
  return exportToken(keys, token_nonce)
}
