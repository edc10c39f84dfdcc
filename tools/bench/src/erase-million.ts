import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort, startServices } from '@lethe/dev-env'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { type BenchEnvironment, deletionsDue, makePeople } from './bench-environment.ts'

const ROWS = 1_000_000
const REQUESTS_PER_SECOND = 50
const MEASURE_SECONDS = 30
const TIMEOUT_MS = 600_000

/**
 * Erases one person with a million rows while other people use the API at a steady rate, half reads and half writes.
 * Compares their response times before and during the erasure, and counts the lock waits over 100 ms that PostgreSQL
 * logs.
 */
export async function eraseMillion({
  db,
  databaseUrl,
  folder,
  log,
}: BenchEnvironment): Promise<void> {
  const [large = 0] = await makePeople(db, 1, ROWS)
  await makePeople(db, 1_000, 3)
  await sql`vacuum analyze`.execute(db)
  const [apiPort, workerPort] = [await freePort(), await freePort()]
  const apiUrl = `http://127.0.0.1:${apiPort}`
  const env = {
    PATH: process.env.PATH ?? '',
    DATABASE_URL: databaseUrl,
    SECRET_KEY: randomBytes(32).toString('base64url'),
    SMTP_URL: `smtp://127.0.0.1:${await freePort()}`,
    PUBLIC_URL: apiUrl,
    UPLOAD_DIR: path.join(folder, 'uploads'),
    EXPORT_DIR: path.join(folder, 'exports'),
    RATE_LIMITS: 'off',
    PORT: String(apiPort),
    WORKER_PORT: String(workerPort),
  }
  const services = await startServices([
    { name: 'api', env, url: apiUrl },
    { name: 'worker', env, url: `http://127.0.0.1:${workerPort}` },
  ])
  try {
    const caller = await signUp(apiUrl)
    await measure(caller, async () => wait(5_000))
    const before = await measure(caller, () => wait(MEASURE_SECONDS * 1_000))
    const began = performance.now()
    await deletionsDue(db, [large])
    const meanwhile = await measure(caller, async () => {
      await until('the end of the erasure', async () => !(await isThere()), TIMEOUT_MS)
    })
    const took = (performance.now() - began) / 1_000
    const after = await measure(caller, () => wait(MEASURE_SECONDS * 1_000))
    const counts = await sql<{
      counts: unknown
    }>`select erased_counts as counts from public.deletions`.execute(db)
    console.log(
      `${ROWS.toLocaleString('en')} rows were erased in ${took.toFixed(1)} s: ${JSON.stringify(counts.rows[0]?.counts)}`,
    )
    for (const [name, waits] of Object.entries({ before, meanwhile, after }))
      console.log(
        `${name.padEnd(10)} ${waits.length} requests, p50 ${at(waits, 0.5)} ms, p95 ${at(waits, 0.95)} ms, p99 ${at(waits, 0.99)} ms`,
      )
    console.log(
      `p95 meanwhile to before and after: ${(at(meanwhile, 0.95) / at([...before, ...after], 0.95)).toFixed(2)}`,
    )
    const noted = (await readFile(log, 'utf8'))
      .split('\n')
      .filter((line) => /still waiting for/.test(line))
    console.log(`waits for a lock of more than 100 ms: ${noted.length}`)
  } finally {
    for (const service of services) await service.stop()
  }

  async function isThere(): Promise<boolean> {
    const { rows } = await sql`select from public.users where id = ${large}`.execute(db)
    return rows.length > 0
  }
}

type Ask = () => Promise<void>

/** Signs up a person; each call reads their data or saves a password, in turn. */
async function signUp(url: string): Promise<Ask> {
  const body = { email: 'ada@bench.example', password: 'correct horse battery staple' }
  const { user } = await post(`${url}/v1/users`, body)
  const { accessToken } = await post(`${url}/v1/tokens`, body)
  const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }
  const at = `${url}/v1/users/${user.id}`
  const entry = JSON.stringify({
    site: 'https://bench.example',
    username: 'me',
    password: 'secret',
  })
  let n = 0
  return async () => {
    const response =
      n++ % 2
        ? await fetch(at, { headers })
        : await fetch(`${at}/passwords`, { method: 'POST', headers, body: entry })
    await response.arrayBuffer()
    // An account holds at most two thousand of them; then the answer is 409.
    if (!response.ok && response.status !== 409) throw new Error(`answered with ${response.status}`)
  }
}

async function post(url: string, body: object) {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${url} answered with ${response.status}`)
  return response.json() as Promise<{ user: { id: number }; accessToken: string }>
}

/**
 * Sends requests at a steady rate, however long the answers take, until `during` ends; returns the response times in
 * milliseconds.
 */
async function measure(ask: Ask, during: () => Promise<unknown>): Promise<number[]> {
  const waits: number[] = []
  const asked: Promise<void>[] = []
  const timer = setInterval(() => {
    const began = performance.now()
    asked.push(ask().then(() => void waits.push(performance.now() - began)))
  }, 1_000 / REQUESTS_PER_SECOND)
  try {
    await during()
  } finally {
    clearInterval(timer)
  }
  await Promise.all(asked)
  return waits
}

function at(waits: number[], share: number): number {
  const sorted = waits.toSorted((a, b) => a - b)
  return Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2))
}
