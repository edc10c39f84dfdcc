import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { findExecutable } from '@lethe/dev-env'
import { until } from '@lethe/machine-speed'
import { Redis } from 'ioredis'
import { ownPort } from './own-port.ts'

export interface RedisServer {
  url: string
  /** Ends it at once, as a power cut would. It keeps nothing on disk. */
  kill(): Promise<void>
  /** Again, empty, on the same port. */
  start(): Promise<void>
  /** One command of an operator's, by a connection of its own. */
  command(...words: string[]): Promise<unknown>
}

export async function findRedis(searchPath = process.env.PATH): Promise<string | undefined> {
  return findExecutable(['redis-server', 'valkey-server'], searchPath)
}

/** A Redis of one system's own, that can be killed and started again. */
export async function startRedisServer(folder: string): Promise<RedisServer> {
  const program = await findRedis()
  if (!program) throw new Error('There is no redis-server or valkey-server on PATH.')
  const port = await ownPort()
  const url = `redis://127.0.0.1:${port}`
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
  const flags = [...settings, '--save', '', '--appendonly', 'no']
  let child: ChildProcess | undefined

  const command = async (...words: string[]) => {
    const [name = '', ...args] = words
    const connection = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
    connection.on('error', () => {})
    try {
      await connection.connect()
      return await connection.call(name, ...args)
    } finally {
      connection.disconnect()
    }
  }
  const start = async () => {
    child = spawn(program, [...flags, '--maxmemory-policy', 'noeviction'], { stdio: 'ignore' })
    await until('redis-server answers', () => command('ping').catch(() => undefined))
  }
  await start()
  return {
    url,
    command,
    start,
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}
