import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '@lethe/machine-speed'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import type { Certificates } from './make-certificates.ts'

/** The redis-server or valkey-server that `pnpm test` found. */
const program = process.env.REDIS_SERVER_PATH

/** For tests that start servers of their own. */
export const withServers = program ? {} : { skip: 'no redis-server on this machine' }

export interface RedisProcess {
  port: number
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>
  /** Leaves it standing still with its connections open, as a machine that is cut off. */
  freeze(): void
  /** Again, on the same port. */
  start(): Promise<void>
  /** One command of an operator's, by a connection of its own. */
  command(...words: string[]): Promise<unknown>
}

interface ProcessOptions {
  port?: number | undefined
  /** Served and asked for by TLS alone. */
  tls?: Certificates | undefined
  flags?: string[]
}

/** A server of the test's own that keeps nothing on disk. `settings` are lines of redis.conf. */
export function startRedis(
  t: Pick<Test, 'teardown'>,
  settings: string[] = [],
  options: ProcessOptions = {},
): Promise<RedisProcess> {
  const usual = ['save ""', 'maxmemory-policy noeviction', 'repl-diskless-sync-delay 0']
  return startProcess(t, [...usual, ...settings], options)
}

export async function startProcess(
  t: Pick<Test, 'teardown'>,
  settings: string[],
  { port: wish, tls, flags = [] }: ProcessOptions,
): Promise<RedisProcess> {
  if (!program) throw new Error('REDIS_SERVER_PATH is not set: run the tests with `pnpm test`')
  const port = wish ?? (await freePort())
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-redis-'))
  const file = path.join(folder, 'redis.conf')
  const ports = tls ? ['port 0', `tls-port ${port}`, ...tls.settings] : [`port ${port}`]
  await writeFile(file, [...ports, 'bind 127.0.0.1', `dir ${folder}`, ...settings, ''].join('\n'))
  let child: ChildProcess

  const start = async () => {
    const started = spawn(program, [file, ...flags], { stdio: 'ignore' })
    child = started
    await until(`port ${port} is served`, async () => {
      if (started.exitCode !== null) throw new Error(`${program} ended: ${started.exitCode}`)
      return listens(port)
    })
  }
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(async () => {
    await kill()
    await rm(folder, { recursive: true })
  })
  await start()
  const freeze = () => void child.kill('SIGSTOP')
  return { port, kill, freeze, start, command: (...words) => command(port, tls, words) }
}

/** Waits until the replica has all that the master has. */
export async function whenReplica(replica: RedisProcess, master: RedisProcess): Promise<void> {
  await until('the replica is in step', async () => {
    const info = String(await master.command('info', 'replication'))
    return info.includes(`port=${replica.port},state=online`)
  })
}

async function command(
  port: number,
  tls: Certificates | undefined,
  [name = '', ...words]: string[],
): Promise<unknown> {
  const connection = new Redis({
    ...{ host: '127.0.0.1', port, lazyConnect: true, retryStrategy: () => null },
    ...(tls && { tls: { ca: tls.ca } }),
  })
  connection.on('error', () => {})
  try {
    await connection.connect()
    return await connection.call(name, ...words)
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

/** A TCP port on the loopback interface that nobody held a moment ago. */
export async function freePort(port = 0): Promise<number> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('No TCP port is free.')
  return address.port
}
