import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect, type Db } from '@lethe/db'
import { freePort, startPostgres, startRedis } from '@lethe/dev-env'
import { sql } from 'kysely'
import type { Test } from 'tap'
import { type Inbox, startInbox } from '../../src/inbox/index.ts'

type Values = Record<string, string>

interface Owner {
  role: string
  password: string
  database: string
  superuser: boolean
}

/** Replaces the servers, ports and folders that production settings name by those of this machine. */
export interface Machine {
  folder: string
  inbox: Inbox
  /** Creates the role and its database as an operator does; returns a connection of the server's superuser. */
  makeDatabase(owner: Owner): Promise<Db>
  /** Returns these settings with this machine's addresses, as the environment of a process. */
  here(settings: Values, folders: Values): NodeJS.ProcessEnv
  /** Replaces the ports in a text by those of this machine. */
  atPorts(text: string): string
}

export async function makeMachine(t: Test): Promise<Machine> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-shape-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dataDir = path.join(folder, 'postgres')
  const postgres = await startPostgres({ dataDir, settings: { fsync: 'off' } })
  t.teardown(() => postgres.stop())
  const program = process.env.REDIS_SERVER_PATH
  const redis = program ? await startRedis({ program, folder }) : undefined
  t.teardown(() => redis?.stop())
  const inbox = await startInbox()
  t.teardown(() => inbox.close())

  const ports: Values = {
    5432: new URL(postgres.url).port,
    ...(redis && { 6379: new URL(redis.url).port }),
    1025: new URL(inbox.smtpUrl).port,
    3000: String(await freePort()),
    3001: String(await freePort()),
  }
  const atPorts = (text: string) =>
    text.replace(/:(\d+)\b/g, (_, port) => `:${ports[port] ?? port}`)
  const { PATH, NODE_COMPILE_CACHE } = process.env
  return {
    folder,
    inbox,
    atPorts,
    async makeDatabase(owner) {
      await makeRoleAndDatabase(postgres.url, owner)
      const db = connect(Object.assign(new URL(postgres.url), { pathname: owner.database }).href)
      t.teardown(() => db.destroy())
      return db
    },
    here({ HOST, WORKER_HOST, PORT = '', WORKER_PORT = '', ...settings }, folders) {
      const env: NodeJS.ProcessEnv = { PATH, NODE_COMPILE_CACHE }
      for (const [name, value] of Object.entries(settings)) env[name] = atLoopback(atPorts(value))
      for (const name of ['EXPORT_DIR', 'UPLOAD_DIR'])
        for (const [from, to] of Object.entries(folders)) env[name] = env[name]?.replace(from, to)
      if (!redis) delete env.REDIS_URL
      return { ...env, PORT: ports[PORT], WORKER_PORT: ports[WORKER_PORT] }
    },
  }
}

/** Replaces the host names of the other services in `docker-compose.yml` by loopback. */
function atLoopback(text: string): string {
  return text.replace(/(?<=\/\/|@)(postgres|valkey|mail)(?=:\d)/, '127.0.0.1')
}

async function makeRoleAndDatabase(
  server: string,
  { role, password, database, superuser }: Owner,
): Promise<void> {
  const admin = connect(server, { max: 1 })
  try {
    await sql`create role ${sql.id(role)} login password ${sql.lit(password)}`.execute(admin)
    if (superuser) await sql`alter role ${sql.id(role)} superuser`.execute(admin)
    await sql`create database ${sql.id(database)} owner ${sql.id(role)}`.execute(admin)
  } finally {
    await admin.destroy()
  }
}
