import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { until } from '@lethe/machine-speed'
import type { Test } from 'tap'

const script = path.join(import.meta.dirname, '../src/start.ts')

export type Ports = {
  PORT: number
  WORKER_PORT: number
  INBOX_PORT: number
}

/** Runs `pnpm start` as a process, independent of this machine's `.env`. */
export function launch(
  t: Pick<Test, 'teardown'>,
  dataDir: string,
  settings: Record<string, string | number>,
) {
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env
  const env: Record<string, string> = { PATH, NODE_COMPILE_CACHE }
  for (const name of named) env[name] = ''
  for (const [name, value] of Object.entries(settings)) env[name] = String(value)
  const child = spawn(process.execPath, [script, dataDir], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  let isOver = false
  const ended = once(child, 'close').then(([code]) => {
    isOver = true
    return code as number | null
  })
  const stop = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  t.teardown(() => (isOver ? undefined : stop('SIGTERM')))
  return {
    pid: child.pid ?? 0,
    output: () => output,
    ended,
    stop,
    async ready() {
      await until('everything has started', () => isOver || output.includes('Ctrl-C stops'))
      if (isOver) throw new Error(`It ended:\n${output}`)
    },
  }
}

/** An empty variable counts as unset and overrides the one in `.env`. */
const named = [
  ...['HOST', 'WORKER_HOST', 'PUBLIC_URL', 'DATABASE_URL', 'REDIS_URL', 'SMTP_URL', 'MAIL_FROM'],
  ...['SECRET_KEY', 'GRACE_PERIOD', 'EXPORT_DIR', 'UPLOAD_DIR', 'LOG_LEVEL', 'RATE_LIMITS'],
]

/** Returns all child processes of this process, and their children. */
export async function descendants(pid: number): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = await Promise.all(all.map(parentOf))
  const found = [pid]
  for (const ancestor of found) found.push(...all.filter((_, index) => parents[index] === ancestor))
  return found.slice(1)
}

async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^PPid:\t(\d+)/m.exec(status)?.[1])
}
