import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { until } from '@lethe/machine-speed'
import { end, isRunning } from './child.ts'
import { freePort } from './free-port.ts'

export interface Redis {
  url: string
  stop(): Promise<void>
}

/** A Redis or Valkey that keeps nothing on disk and evicts nothing, in a process group of its own. */
export async function startRedis(program: string, folder: string): Promise<Redis> {
  const port = await freePort()
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    save: '',
    appendonly: 'no',
    'maxmemory-policy': 'noeviction',
    dir: folder,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const child = spawn(program, flags, { detached: true, stdio: 'ignore' })
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  await until(`${program} listens`, () => {
    if (!isRunning(child)) throw new Error(`${program} did not start.`)
    return listens(port)
  })
  return { url: `redis://127.0.0.1:${port}`, stop: () => end(child, ['SIGTERM', 'SIGKILL']) }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
