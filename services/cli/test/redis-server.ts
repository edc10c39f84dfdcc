import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { until } from '@lethe/machine-speed'
import type { Test } from 'tap'

const program = ['redis-server', 'valkey-server'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
)

export const withRedis = program ? {} : { skip: 'no redis-server on this machine' }

/** A Redis or Valkey as it should be, except for `settings`; its port. */
export async function redisServer(
  t: Pick<Test, 'teardown'>,
  settings: Record<string, string> = {},
  more: string[] = [],
): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-redis-'))
  const port = await freePort()
  const config = path.join(folder, 'redis.conf')
  const lines = Object.entries({
    ...{ port, bind: '127.0.0.1', dir: folder, save: '""' },
    ...{ 'maxmemory-policy': 'noeviction', appendonly: 'yes' },
    ...settings,
  }).map(([name, value]) => `${name} ${value}\n`)
  await writeFile(config, lines.join(''))
  const child = spawn(program ?? '', [config, ...more], { stdio: 'ignore' })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    await rm(folder, { recursive: true, force: true })
  })
  await until('Redis listens', () => listens(port))
  return port
}

/** A TCP port on the loopback interface that nobody held a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
