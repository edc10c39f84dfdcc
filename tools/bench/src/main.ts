import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect } from '@lethe/db'
import { makeTemplate, startPostgres } from '@lethe/dev-env'
import { sql } from 'kysely'
import type { BenchEnvironment } from './bench-environment.ts'
import { eraseMany } from './erase-many.ts'
import { eraseMillion } from './erase-million.ts'
import { exportMany } from './export-many.ts'
import { exportRows } from './export-rows.ts'

const benches: Record<string, (environment: BenchEnvironment, args: string[]) => Promise<void>> = {
  'erase-many': eraseMany,
  'erase-million': eraseMillion,
  'export-many': exportMany,
  'export-rows': exportRows,
}

const [name = '', ...args] = process.argv.slice(2)
const bench = benches[name]
if (!bench) {
  console.error(`Usage: pnpm bench ${Object.keys(benches).join('|')}`)
  process.exit(2)
}

const folder = await mkdtemp(path.join(tmpdir(), 'lethe-bench-'))
// Durable, as in production: commits reach the disk. Long lock waits are logged.
const postgres = await startPostgres({
  dataDir: path.join(folder, 'postgres'),
  settings: {
    shared_buffers: '512MB',
    max_wal_size: '4GB',
    log_lock_waits: 'on',
    deadlock_timeout: '100ms',
  },
})
try {
  await makeTemplate(postgres.url)
  const admin = connect(postgres.url, { max: 1 })
  await sql`create database bench template lethe_template`.execute(admin)
  await admin.destroy()
  const url = new URL(postgres.url)
  url.pathname = 'bench'
  const db = connect(url.href)
  const log = path.join(folder, 'postgres', 'postgres.log')
  try {
    await bench({ db, databaseUrl: url.href, folder, log }, args)
  } finally {
    await db.destroy()
  }
} finally {
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
}
