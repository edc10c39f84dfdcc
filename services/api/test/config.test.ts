import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import type { Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { readConfig } from '../src/config.ts'
import { SECRET_KEY } from './test-app.ts'

const least = { DATABASE_URL: 'postgres://localhost/lethe', SECRET_KEY }

t.test('a setting that is not set has its documented default', async (t) => {
  t.match(readConfig(least), {
    host: '127.0.0.1',
    port: 3000,
    publicUrl: 'http://localhost:3000',
    secure: false,
    gracePeriod: { iso: 'P27D' },
    reauthenticationWindow: { iso: 'PT15M', seconds: 900 },
    sessionTtl: { iso: 'P14D' },
    sessionCookieName: 'neptun-session',
    exportDir: path.resolve('.data/exports'),
    uploadDir: path.resolve('.data/uploads'),
    allowedOrigins: [],
    rateLimits: true,
    trustProxy: [],
    logLevel: 'info',
  })
  t.equal(readConfig({ ...least, PORT: '8080' }).publicUrl, 'http://localhost:8080')
  const { publicUrl, secure } = readConfig({ ...least, PUBLIC_URL: 'https://Lethe.example/' })
  t.strictSame([publicUrl, secure], ['https://lethe.example', true])
})

t.test('rejects a wrong value and names the variable', async (t) => {
  for (const [name, ...values] of [
    ['DATABASE_URL', '', 'localhost', 'mysql://x/y'],
    ['SECRET_KEY', '', 'short', `${'a'.repeat(42)}!`],
    ['PORT', '80a', '-1', '65536'],
    [
      'PUBLIC_URL',
      'localhost',
      'ftp://x',
      'http://a:b@x',
      'http://x/?a',
      'http://x/#a',
      'http://x/app',
    ],
    ['GRACE_PERIOD', '27', 'P1M', 'P401D'],
    ['REAUTHENTICATION_WINDOW', '15'],
    ['SESSION_TTL', 'P-1D'],
    ['SESSION_COOKIE_NAME', 'a b', 'a;b', 'a=b', 'ä'],
    ['ALLOWED_ORIGINS', '*', 'app.example', 'https://app.example/', 'https://a.example ftp://b'],
    ['RATE_LIMITS', 'yes'],
    ['TRUST_PROXY', 'true', '1', '10.0.0.0/33', '10.0.0.0/8/8', 'proxy.example'],
    ['EXPORT_DIR', 's3://Exports', 'gs://exports'],
    ['LOG_LEVEL', 'loud'],
  ] as const)
    for (const value of values)
      t.throws(
        () => readConfig({ ...least, [name]: value }),
        { name: 'ConfigError', message: new RegExp(`^${name} .*; it takes `) },
        `${name}=${value}`,
      )
})

t.test('splits lists', async (t) => {
  const { allowedOrigins, trustProxy } = readConfig({
    ...least,
    ALLOWED_ORIGINS: 'https://a.example, http://localhost:5173',
    TRUST_PROXY: '10.0.0.0/8 ::1 fd00::/8,loopback',
  })
  t.strictSame(allowedOrigins, ['https://a.example', 'http://localhost:5173'])
  t.strictSame(trustProxy, ['10.0.0.0/8', '::1', 'fd00::/8', 'loopback'])
})

t.test('a wrong setting ends the process with one line', async (t) => {
  const child = start({ ...least, GRACE_PERIOD: '27' }, await folderOf(t))
  const [stderr, stdout, [status]] = await Promise.all([
    text(child.stderr),
    text(child.stdout),
    once(child, 'exit'),
  ])
  t.equal(status, 1)
  t.equal(stdout, '')
  t.match(stderr, /^GRACE_PERIOD is "27"; it takes [^\n]*\n$/)
})

t.test(
  'SIGTERM and SIGINT end the process cleanly after the running requests are answered',
  async (t) => {
    const { db, url } = await testDb(t)
    const cwd = await folderOf(t)
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const child = start({ ...least, DATABASE_URL: url, PORT: '0' }, cwd)
      t.teardown(() => child.kill('SIGKILL'))
      const exit = once(child, 'exit')
      const address = await listeningAddress(child.stdout)
      await db.transaction().execute(async (tx) => {
        await sql`lock table public.kysely_migration`.execute(tx)
        const running = fetch(`${address}/readyz`)
        await waitForLock(db)
        child.kill(signal)
        child.kill(signal)
        t.equal((await running).status, 503)
      })
      const watch = startStopwatch()
      t.strictSame(await exit, [0, null])
      await holdsWithin(t, watch, 6_000, 'and waits for no idle connection')
    }
  },
)

t.test('does not start on a database that was set up with another SECRET_KEY', async (t) => {
  const { db, url } = await testDb(t)
  await db
    .insertInto('secret_key_check')
    .values({ value: Buffer.alloc(32) })
    .execute()
  const child = start({ ...least, DATABASE_URL: url, PORT: '0' }, await folderOf(t))
  const [stderr, [status]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  t.equal(status, 1)
  t.match(stderr, /^SECRET_KEY is not the one [^\n]*\n$/)
})

/** A folder of its own: in the project's folder the process would use the data of `pnpm start`. */
async function folderOf(t: Pick<Test, 'teardown'>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-api-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

function start(env: NodeJS.ProcessEnv, cwd: string) {
  const main = path.join(import.meta.dirname, '../src/main.ts')
  const { PATH, NODE_COMPILE_CACHE } = process.env
  return spawn(process.execPath, [main], {
    cwd,
    env: { PATH, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function waitForLock(db: Db): Promise<void> {
  const waiting = sql`select from pg_locks where not granted and relation = 'public.kysely_migration'::regclass`
  await until('the request waits', async () => (await waiting.execute(db)).rows.length > 0)
}

async function listeningAddress(stdout: NodeJS.ReadableStream): Promise<string> {
  for await (const chunk of stdout) {
    const address = /http:\/\/[\d.:]+/.exec(String(chunk))
    if (address) {
      stdout.resume()
      return address[0]
    }
  }
  throw new Error('the API ended without listening')
}
