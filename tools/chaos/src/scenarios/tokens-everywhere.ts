import { createHash, createHmac } from 'node:crypto'
import { exportToken, readDatabaseTime } from '@lethe/lifecycle'
import { claim } from '../scenario.ts'
import { type Client, type Reply, requestDeletion, retryUnavailable } from '../system/client.ts'
import type { Environment } from '../system/environment.ts'
import { password, type TestPerson } from '../system/people.ts'

interface Pair {
  accessToken: string
  refreshToken: string
}

/**
 * Shows the sessions and tokens of one API to all APIs, whose clocks differ: all must accept them until the deletion or
 * until they expire on the database's clock, and none afterwards. Returns how many uses were tried.
 */
export async function showTokensEverywhere(
  environment: Environment,
  apis: { client: Client }[],
): Promise<number> {
  const clients = apis.map(({ client }) => client)
  const people = await environment.people(clients.length)
  let shown = 0
  const statuses = async (show: (client: Client) => Promise<Reply>) => {
    shown += clients.length
    const replies = await Promise.all(clients.map((client) => retryUnavailable(() => show(client))))
    return replies.map(({ status }) => status)
  }
  const all = async (status: number, what: string, show: (client: Client) => Promise<Reply>) => {
    const got = await statuses(show)
    claim(
      got.every((one) => one === status),
      `${what} was answered with ${got.join(', ')}, each by an API of another clock`,
    )
  }
  const now = await readDatabaseTime(environment.db)

  await Promise.all(
    people.map(async (person, n) => {
      const [home, other] = [clients[n], clients[(n + 1) % clients.length]] as [Client, Client]
      const credential = `token-${person.id}`
      const showToken = (token: string) => (client: Client) =>
        client.ask('use', {
          method: 'GET',
          path: `/v1/users/${person.id}`,
          person,
          token,
          credential,
        })
      const first = await logIn(home, person, credential)
      await all(200, 'an access token', showToken(first.accessToken))
      await all(200, 'a session', (client) => client.use(person))
      const { accessToken } = await refresh(other, person, credential, first.refreshToken)
      await all(200, 'a refreshed token', showToken(accessToken))
      const expiring = (exp: number) => signed(environment.keys.accessTokens, accessToken, exp)
      await all(200, 'a token with a minute to live', showToken(expiring(now + 60)))
      await all(401, 'a token that is over', showToken(expiring(now - 1)))

      await requestDeletion(other, person)
      await all(401, 'a token of before the deletion', showToken(accessToken))
      await all(401, 'a session of before the deletion', (client) => client.use(person))
    }),
  )
  return shown
}

async function logIn(client: Client, person: TestPerson, credential: string): Promise<Pair> {
  const body = { email: person.address, password }
  const reply = await client.ask('credential', {
    ...{ method: 'POST', path: '/v1/tokens', person, body, credential },
  })
  claim(reply.status === 201, `a log-in was answered with ${reply.status ?? reply.failure}`)
  return reply.body as unknown as Pair
}

async function refresh(
  client: Client,
  person: TestPerson,
  credential: string,
  refreshToken: string,
) {
  const reply = await client.ask('refresh', {
    ...{ method: 'POST', path: '/v1/tokens/refresh', person, credential },
    body: { refreshToken },
  })
  claim(reply.status === 201, `a refresh was answered with ${reply.status ?? reply.failure}`)
  return reply.body as unknown as Pair
}

/**
 * Opens an archive at each API and downloads it from all: a ticket of one API works at the others. Returns the number
 * of downloads.
 */
export async function fetchEverywhere(
  environment: Environment,
  apis: { url: string }[],
): Promise<number> {
  const ready = await environment.db
    .selectFrom('exports')
    .select(['token_nonce as nonce', 'sha256'])
    .where('status', '=', 'ready')
    .limit(apis.length)
    .execute()
  const fetched = ready.map(async ({ nonce, sha256 }, n) => {
    const token = exportToken(environment.keys, nonce as Buffer)
    const opened = await fetch(`${apis[n]?.url}/v1/exports/open`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    })
    const [cookie = ''] = opened.headers.getSetCookie().map((one) => one.split(';')[0] ?? '')
    for (const { url } of apis) {
      const archive = await fetch(`${url}/v1/exports/archive`, { headers: { cookie } })
      const hash = createHash('sha256').update(Buffer.from(await archive.arrayBuffer()))
      claim(
        archive.status === 200 && hash.digest().equals(sha256 as Buffer),
        `an archive opened at an API of another clock was answered with ${archive.status}`,
      )
    }
  })
  await Promise.all(fetched)
  return fetched.length * apis.length
}

/** The same token with another expiry. */
function signed(key: Buffer, token: string, exp: number): string {
  const [head = '', claims = ''] = token.split('.')
  const other = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), exp }
  const text = `${head}.${Buffer.from(JSON.stringify(other)).toString('base64url')}`
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
}
