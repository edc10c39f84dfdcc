import { expect } from './print.ts'

/** A person with a browser, which sends their cookie with each request. */
export interface DemoPerson {
  id: number
  ask(method: string, path: string, body?: unknown): Promise<Response>
  logIn(): Promise<Response>
}

export const password = 'correct horse battery staple'

export async function signUp(api: string, email: string, displayName: string): Promise<DemoPerson> {
  let cookie = ''
  const ask = async (method: string, path: string, body?: unknown) => {
    const isImage = body instanceof Uint8Array
    const response = await fetch(api + path, {
      method,
      headers: {
        ...(cookie && { cookie }),
        ...(body !== undefined && { 'content-type': isImage ? 'image/png' : 'application/json' }),
      },
      ...(body !== undefined && {
        body: isImage ? new Blob([body.slice()]) : JSON.stringify(body),
      }),
    })
    // A cleared cookie is still sent: the API has to refuse it.
    const [set] = response.headers.getSetCookie()
    if (set && !set.includes('Max-Age=0')) cookie = set.split(';')[0] ?? ''
    return response
  }
  const made = await ask('POST', '/v1/users', { email, password, displayName })
  expect(made.status === 201, `the sign-up was answered with ${made.status}`)
  const { user } = (await made.json()) as { user: { id: number } }
  return {
    id: user.id,
    ask,
    logIn: () => ask('POST', '/v1/sessions', { email, password }),
  }
}
