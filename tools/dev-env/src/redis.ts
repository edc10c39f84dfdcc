import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { until } from '@lethe/machine-speed'
import { end, isRunning } from './child.ts'
import { findExecutable } from './find-executable.ts'
import { freePort } from './free-port.ts'
import type { Certificates } from './make-certificates.ts'

export interface RedisOptions {
  /** Path of a redis-server or valkey-server. */
  program: string
  /** Must exist. Holds redis.conf and what Redis writes. */
  folder: string
  /** Any free port by default. */
  port?: number | undefined
  /** Lines of redis.conf; they override the defaults. A replica is `replicaof HOST PORT`, an ACL file `aclfile PATH`. */
  settings?: string[]
  /** Listens with TLS only, and uses TLS for replication. */
  tls?: Certificates | undefined
  /** Runs as a Sentinel. */
  sentinel?: boolean
  /** Starts a process group of its own, so that Ctrl-C in the terminal does not reach Redis. */
  detached?: boolean
}

export interface RedisProcess {
  url: string
  port: number
  /** Starts it again on the same port, after `kill` or `stop`. */
  start(): Promise<void>
  /** Shuts it down in order. */
  stop(): Promise<void>
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>
  /** Suspends the process; its connections stay open, as on a machine that is cut off. */
  freeze(): void
  /** Runs one command of an operator on a connection of its own. */
  command(...words: string[]): Promise<unknown>
}

const storageDefaults = [
  'save ""',
  'appendonly no',
  'maxmemory-policy noeviction',
  'repl-diskless-sync-delay 0',
]

export function findRedisServer(searchPath = process.env.PATH): Promise<string | undefined> {
  return findExecutable(['redis-server', 'valkey-server'], searchPath)
}

/** Starts a Redis or Valkey on loopback. By default it stores nothing on disk and evicts nothing. */
export async function startRedis(options: RedisOptions): Promise<RedisProcess> {
  const { program, folder, settings = [], tls, sentinel = false, detached = false } = options
  const port = options.port ?? (await freePort())
  const config = path.join(folder, 'redis.conf')
  const lines = [
    ...(tls ? ['port 0', `tls-port ${port}`, ...tlsSettings(tls)] : [`port ${port}`]),
    'bind 127.0.0.1',
    `dir "${folder}"`,
    ...(sentinel ? [] : storageDefaults),
    ...settings,
  ]
  await writeFile(config, `${lines.join('\n')}\n`)
  const args = [config, ...(sentinel ? ['--sentinel'] : [])]
  let child: ChildProcess

  const start = async () => {
    const started = spawn(program, args, { detached, stdio: 'ignore' })
    child = started
    await new Promise((resolve, reject) => started.once('spawn', resolve).once('error', reject))
    await until(`${program} listens on port ${port}`, () => {
      if (!isRunning(started)) throw new Error(`${program} did not start.`)
      return listens(port)
    })
  }
  await start()
  return {
    url: `redis${tls ? 's' : ''}://127.0.0.1:${port}`,
    port,
    start,
    stop: () => end(child, ['SIGTERM', 'SIGKILL']),
    kill: () => end(child, ['SIGKILL']),
    freeze: () => void child.kill('SIGSTOP'),
    command: (...words) => runCommand(port, tls, words),
  }
}

function tlsSettings({ certFile, keyFile, caFile }: Certificates): string[] {
  return [
    `tls-cert-file ${certFile}`,
    `tls-key-file ${keyFile}`,
    `tls-ca-cert-file ${caFile}`,
    'tls-auth-clients no',
    'tls-replication yes',
  ]
}

async function runCommand(
  port: number,
  tls: Certificates | undefined,
  [name = '', ...args]: string[],
): Promise<unknown> {
  // Loaded on first use: `pnpm start` imports this package and needs no client.
  const { Redis } = await import('ioredis')
  const connection = new Redis({
    host: '127.0.0.1',
    port,
    lazyConnect: true,
    retryStrategy: () => null,
    ...(tls && { tls: { ca: tls.ca } }),
  })
  connection.on('error', () => {})
  try {
    await connection.connect()
    return await connection.call(name, ...args)
  } finally {
    connection.disconnect()
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
