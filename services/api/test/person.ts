import type { Db } from '@lethe/db'
import { deletionToken, exportToken, type Keys } from '@lethe/lifecycle'
import type { FastifyInstance, InjectOptions } from 'fastify'

export const password = 'correct horse battery staple'

/** Somebody who uses the API with a cookie and with tokens, as the tests need it. */
export interface Person {
  id: number
  email: string
  cookie: string
  accessToken: string
  refreshToken: string
  /** With the cookie. */
  ask(method: InjectOptions['method'], url: string, payload?: InjectOptions['payload']): Reply
  /** With the access token. */
  call(method: InjectOptions['method'], url: string, payload?: InjectOptions['payload']): Reply
}

type Reply = ReturnType<typeof inject>

export async function person(app: FastifyInstance, email: string): Promise<Person> {
  const { id } = (await inject(app, 'POST', '/v1/users', { email, password })).json().user
  return logIn(app, email, id)
}

export async function logIn(app: FastifyInstance, email: string, id: number): Promise<Person> {
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
    ask: (method, url, payload) => inject(app, method, url, payload, { cookie }),
    call: (method, url, payload) =>
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

/** The token that the mail about this person's open deletion carries. */
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

/** The token that the mail about this person's export carries. */
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
