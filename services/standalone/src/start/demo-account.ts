import { randomBytes } from 'node:crypto'

export interface DemoAccount {
  id: number
  email: string
  password: string
}

/** Signs up a demo user over HTTP, so that there is an account to delete. */
export async function signUpDemo(api: string): Promise<DemoAccount> {
  const email = 'demo@example.com'
  const password = randomBytes(12).toString('base64url')
  const response = await fetch(`${api}/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password, displayName: 'Demo' }),
  })
  if (response.status !== 201)
    throw new Error(`The demo account could not be made: the API answered ${response.status}.`)
  const { user } = (await response.json()) as { user: { id: number } }
  return { id: user.id, email, password }
}
