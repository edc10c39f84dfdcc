import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { promisify } from 'node:util'
import { findExecutable } from '@lethe/dev-env'
import { sql } from 'kysely'
import pg from 'pg'
import QueryStream from 'pg-query-stream'
import { type BenchEnvironment, makePeople } from './bench-environment.ts'
import { median, timed } from './timed.ts'

const ROUNDS = 3
const child = path.join(import.meta.dirname, 'export-one.ts')

/**
 * Exports one person with many saved passwords (two million, or the number after the name): reads them, writes JSON and
 * CSV, deflates, seals and stores. For comparison `psql` copies the same rows as JSON to /dev/null, and pg-query-stream
 * converts them to JSON. They alternate, so that each meets the same load; medians are compared. The peak memory is
 * compared with that of an export with a tenth of the rows.
 */
export async function exportRows(
  environment: BenchEnvironment,
  [count = '2000000']: string[],
): Promise<void> {
  const rows = Number(count)
  const { db, databaseUrl } = environment
  const [few = 0] = await makePeople(db, 1, 10)
  const [fewer = 0, many = 0] = await makePeople(db, 2, 0)
  await savePasswords(environment, fewer, Math.ceil(rows / 10))
  await savePasswords(environment, many, rows)
  await sql`vacuum analyze`.execute(db)
  const psql = await findExecutable(['psql'], process.env.PATH)
  if (!psql) throw new Error('there is no psql on PATH to compare with')
  const took = { psql: [] as number[], stream: [] as number[], export: [] as number[] }
  const peaks = { fewer: [] as number[], many: [] as number[] }
  await exportOne(environment, few)
  for (let round = 0; round < ROUNDS; round++) {
    took.psql.push(await timed(() => copyWithPsql(psql, databaseUrl, many)))
    if (round === 0) took.stream.push(await timed(() => readWithStream(databaseUrl, many)))
    const { ms, peakBytes } = await exportOne(environment, many)
    took.export.push(ms)
    peaks.many.push(peakBytes)
    peaks.fewer.push((await exportOne(environment, fewer)).peakBytes)
  }
  const [psqlMs, streamMs, exportMs] = [median(took.psql), median(took.stream), median(took.export)]
  const perSecond = (ms: number) => `${Math.round(rows / (ms / 1_000)).toLocaleString('en')} rows/s`
  console.log(`psql, row_to_json to nowhere      ${perSecond(psqlMs)}`)
  console.log(`pg-query-stream, JSON to nowhere  ${perSecond(streamMs)}`)
  console.log(`exported, as JSON and as CSV      ${perSecond(exportMs)}`)
  console.log(
    `that is ${(psqlMs / exportMs).toFixed(2)} times psql, and ${(streamMs / exportMs).toFixed(1)} times pg-query-stream`,
  )
  const [fewerPeak, manyPeak] = [Math.max(...peaks.fewer), Math.max(...peaks.many)]
  console.log(
    `peak resident size ${Math.round(manyPeak / 1024 / 1024)} MiB, ${(manyPeak / fewerPeak).toFixed(2)} times that of a tenth of the rows`,
  )
}

/** Inserts rows as varied as real ones. In replica mode, so that no fence or foreign key is checked for each row. */
function savePasswords({ db }: BenchEnvironment, userId: number, rows: number) {
  return db.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx)
    await sql`
      insert into public.saved_passwords (id, user_id, site, username, secret, created_at)
      select gen_random_uuid(), ${userId}, 'https://www.' || substr(md5(n::text), 1, 12) || '.example/login',
        substr(md5('u' || n), 1, 10) || '@mail.example', sha256(n::text::bytea), now() - make_interval(secs => n)
      from generate_series(1, ${rows}::int) as n`.execute(tx)
  })
}

/** Exports in a separate process, as exports of large accounts are measured; it prints its time and peak memory. */
async function exportOne({ databaseUrl, folder }: BenchEnvironment, userId: number) {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--max-semi-space-size=1', child, databaseUrl, String(userId), folder],
    { env: { ...process.env, NODE_COMPILE_CACHE: path.join(folder, 'compiled') } },
  )
  return JSON.parse(stdout) as { ms: number; peakBytes: number }
}

async function copyWithPsql(psql: string, url: string, userId: number): Promise<void> {
  const rows = `select site, username, created_at as "createdAt" from public.saved_passwords where user_id = ${userId}`
  const text = `copy (select row_to_json(r) from (${rows}) r) to stdout`
  const [code] = await once(spawn(psql, [url, '-c', text], { stdio: 'ignore' }), 'exit')
  if (code !== 0) throw new Error(`psql ended with ${code}`)
}

async function readWithStream(connectionString: string, userId: number): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const text = 'select site, username, created_at from public.saved_passwords where user_id = $1'
  let bytes = 0
  for await (const row of client.query(new QueryStream(text, [userId], { batchSize: 1_000 })))
    bytes += JSON.stringify(row).length
  await client.end()
  if (bytes === 0) throw new Error('nothing was read')
}
