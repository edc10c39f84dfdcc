import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import { adoptSecretKey, deriveKeys } from '@lethe/lifecycle'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type Setup, setup } from './setup.ts'

const main = path.join(import.meta.dirname, '../src/main.ts')

t.test('SIGTERM ends the process with 0 within ten seconds, whatever it was doing', async (t) => {
  const s = await setupWithKey(t)
  const gate = s.sink.hold()
  t.teardown(gate.release)
  const worker = await start(t, s)
  await s.deletion(await s.person())
  await until('a mail hangs at the server', () => gate.held() > 0)
  const watch = startStopwatch()
  worker.kill('SIGTERM')
  const [code] = await once(worker, 'exit')
  t.equal(code, 0)
  await holdsWithin(t, watch, 10_000, 'within ten seconds')
  const { rows } =
    await sql`select from public.outbox where attempts > 0 and lease is not null`.execute(s.db)
  t.equal(rows.length, 0, 'what it held is free')
})

t.test('SIGINT, twice, ends an idle worker at once', async (t) => {
  const worker = await start(t, await setupWithKey(t))
  const watch = startStopwatch()
  worker.kill('SIGINT')
  worker.kill('SIGINT')
  const [code] = await once(worker, 'exit')
  t.equal(code, 0)
  await holdsWithin(t, watch, 5_000, 'at once')
})

t.test('what a killed worker held is finished by another', async (t) => {
  const s = await setupWithKey(t)
  const gate = s.sink.hold()
  const killed = await start(t, s)
  await s.deletion(await s.person())
  await until('a mail hangs at the server', () => gate.held() > 0)
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  gate.release()
  // As if ten seconds had passed: its leases run out.
  await sql`update public.outbox set next_attempt_at = now() where status = 'pending'`.execute(s.db)
  await sql`update public.exports set next_attempt_at = now() where status = 'pending'`.execute(
    s.db,
  )
  await start(t, s)
  await until('every mail is out', async () => {
    const sent = await s.db.selectFrom('outbox').select('status').execute()
    return sent.length === 2 && sent.every(({ status }) => status === 'sent')
  })
  const ids = s.sink.received.map(({ email }) => email.messageId)
  t.equal(new Set(ids).size, 2, 'a mail that came twice has the same Message-ID')
})

t.test(
  'with a table forgotten in the data map it does not begin, and says what to add',
  async (t) => {
    const s = await setupWithKey(t)
    await sql`create table public.notes (user_id bigint references public.users on delete cascade)`.execute(
      s.db,
    )
    const worker = run(s, {})
    let errors = ''
    worker.stderr?.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    const [code] = await once(worker, 'close')
    t.equal(code, 1)
    t.match(
      errors,
      /^the data map is incomplete:\nnotes: its rows lead to a person .* add notes: \{.*\n$/,
    )
  },
)

t.test('a wrong environment is one line and an exit code', async (t) => {
  const s = await setupWithKey(t)
  for (const [env, line] of [
    [{ SMTP_URL: '' }, /^SMTP_URL is not set; it takes .*\n$/],
    [{ WORKER_PORT: 'x' }, /^WORKER_PORT is "x"; it takes .*\n$/],
    [{ SECRET_KEY: randomBytes(32).toString('base64url') }, /^SECRET_KEY is not the one .*\n$/],
    [{ WORKER_HOST: '192.0.2.1' }, /^cannot listen on WORKER_HOST 192\.0\.2\.1, .*\n$/],
  ] as const) {
    const worker = run(s, env)
    let errors = ''
    worker.stderr?.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    const [code] = await once(worker, 'close')
    t.equal(code, 1)
    t.match(errors, line)
  }
})

async function setupWithKey(t: Test): Promise<Setup & { secret: string }> {
  const s = await setup(t)
  const secret = randomBytes(32)
  Object.assign(s.keys, deriveKeys(secret))
  await adoptSecretKey(s.db, s.keys)
  return { ...s, secret: secret.toString('base64url') }
}

/** Resolves once it is ready. */
async function start(t: Test, s: Setup & { secret: string }): Promise<ChildProcess> {
  const worker = run(s)
  t.teardown(() => worker.kill('SIGKILL'))
  let output = ''
  worker.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  await until('it has started', () => output.includes('worker.started'))
  return worker
}

function run(s: Setup & { secret: string }, env: Record<string, string> = {}): ChildProcess {
  const { NODE_COMPILE_CACHE } = process.env
  return spawn(process.execPath, [main], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      NODE_COMPILE_CACHE,
      ...{ DATABASE_URL: s.databaseUrl, SMTP_URL: s.sink.url, SECRET_KEY: s.secret },
      ...{ WORKER_PORT: '0', EXPORT_DIR: s.exportDir, UPLOAD_DIR: s.deps.uploadDir },
      ...env,
    },
  })
}
