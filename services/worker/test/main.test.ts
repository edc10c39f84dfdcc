import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import { adoptSecretKey, deriveKeys } from '@lethe/lifecycle'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { createWorkerContext, type WorkerContext } from './setup.ts'

const main = path.join(import.meta.dirname, '../src/main.ts')

t.test('SIGTERM ends a busy worker with exit code 0 within ten seconds', async (t) => {
  const ctx = await setupWithKey(t)
  const gate = ctx.sink.hold()
  t.teardown(gate.release)
  const worker = await start(t, ctx)
  await ctx.deletion(await ctx.person())
  await until('a mail hangs at the server', () => gate.held() > 0)
  const watch = startStopwatch()
  worker.kill('SIGTERM')
  const [code] = await once(worker, 'exit')
  t.equal(code, 0)
  await holdsWithin(t, watch, 10_000, 'within ten seconds')
  const { rows } =
    await sql`select from public.outbox where attempts > 0 and lease is not null`.execute(ctx.db)
  t.equal(rows.length, 0, 'its mails are released')
})

t.test('two SIGINTs end an idle worker at once', async (t) => {
  const worker = await start(t, await setupWithKey(t))
  const watch = startStopwatch()
  worker.kill('SIGINT')
  worker.kill('SIGINT')
  const [code] = await once(worker, 'exit')
  t.equal(code, 0)
  await holdsWithin(t, watch, 5_000, 'at once')
})

t.test('another worker finishes the jobs of a killed one', async (t) => {
  const ctx = await setupWithKey(t)
  const gate = ctx.sink.hold()
  const killed = await start(t, ctx)
  await ctx.deletion(await ctx.person())
  await until('a mail hangs at the server', () => gate.held() > 0)
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  gate.release()
  // Simulate that ten seconds have passed: its leases have expired.
  await sql`update public.outbox set next_attempt_at = now() where status = 'pending'`.execute(
    ctx.db,
  )
  await sql`update public.exports set next_attempt_at = now() where status = 'pending'`.execute(
    ctx.db,
  )
  await start(t, ctx)
  await until('every mail is sent', async () => {
    const sent = await ctx.db.selectFrom('outbox').select('status').execute()
    return sent.length === 2 && sent.every(({ status }) => status === 'sent')
  })
  const ids = ctx.sink.received.map(({ email }) => email.messageId)
  t.equal(new Set(ids).size, 2, 'a mail that is sent twice has the same Message-ID')
})

t.test('a worker with an incomplete data map exits and prints what to add', async (t) => {
  const ctx = await setupWithKey(t)
  await sql`create table public.notes (user_id bigint references public.users on delete cascade)`.execute(
    ctx.db,
  )
  const worker = run(ctx, {})
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
})

t.test('an invalid environment prints one line and sets the exit code', async (t) => {
  const ctx = await setupWithKey(t)
  for (const [env, line] of [
    [{ SMTP_URL: '' }, /^SMTP_URL is not set; it takes .*\n$/],
    [{ WORKER_PORT: 'x' }, /^WORKER_PORT is "x"; it takes .*\n$/],
    [{ SECRET_KEY: randomBytes(32).toString('base64url') }, /^SECRET_KEY is not the one .*\n$/],
    [{ WORKER_HOST: '192.0.2.1' }, /^cannot listen on WORKER_HOST 192\.0\.2\.1, .*\n$/],
  ] as const) {
    const worker = run(ctx, env)
    let errors = ''
    worker.stderr?.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    const [code] = await once(worker, 'close')
    t.equal(code, 1)
    t.match(errors, line)
  }
})

async function setupWithKey(t: Test): Promise<WorkerContext & { secret: string }> {
  const ctx = await createWorkerContext(t)
  const secret = randomBytes(32)
  Object.assign(ctx.keys, deriveKeys(secret))
  await adoptSecretKey(ctx.db, ctx.keys)
  return { ...ctx, secret: secret.toString('base64url') }
}

/** Resolves once the worker has started. */
async function start(t: Test, ctx: WorkerContext & { secret: string }): Promise<ChildProcess> {
  const worker = run(ctx)
  t.teardown(() => worker.kill('SIGKILL'))
  let output = ''
  worker.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  await until('it has started', () => output.includes('worker.started'))
  return worker
}

function run(
  ctx: WorkerContext & { secret: string },
  env: Record<string, string> = {},
): ChildProcess {
  const { NODE_COMPILE_CACHE } = process.env
  return spawn(process.execPath, [main], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      NODE_COMPILE_CACHE,
      DATABASE_URL: ctx.databaseUrl,
      SMTP_URL: ctx.sink.url,
      SECRET_KEY: ctx.secret,
      WORKER_PORT: '0',
      EXPORT_DIR: ctx.exportDir,
      UPLOAD_DIR: ctx.deps.uploadDir,
      ...env,
    },
  })
}
