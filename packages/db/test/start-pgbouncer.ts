import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'

/** The pgbouncer that `pnpm test` found. */
const program = process.env.PGBOUNCER_PATH

export const withPgbouncer = program ? {} : { skip: 'no pgbouncer on this machine' }

/** PgBouncer refuses to run as root. */
const NOBODY_UID = 65_534
const asRoot = process.getuid?.() === 0

/** Starts a pooler with one server connection for all clients, and returns its URL. */
export async function startPgbouncer(
  t: Pick<Test, 'teardown'>,
  target: string,
  settings: Record<string, string>,
): Promise<string> {
  if (!program) throw new Error('PGBOUNCER_PATH is not set: run the tests with `pnpm test`')
  const { hostname, port, username, password, pathname } = new URL(target)
  // Another user cannot read the temporary folder of the tests.
  const folder = await mkdtemp(path.join(asRoot ? '/tmp' : tmpdir(), 'lethe-pgbouncer-'))
  const at = await findFreePort()
  const lines = {
    listen_addr: '127.0.0.1',
    listen_port: String(at),
    unix_socket_dir: '',
    auth_type: 'plain',
    auth_file: path.join(folder, 'users'),
    default_pool_size: '1',
    ...settings,
  }
  const database = `${pathname.slice(1)} = host=${hostname} port=${port} user=${username} password=${password}`
  const own = Object.entries(lines).map(([name, value]) => `${name} = ${value}`)
  await writeFile(path.join(folder, 'users'), `"${username}" "${password}"\n`)
  await writeFile(
    path.join(folder, 'pgbouncer.ini'),
    `[databases]\n${database}\n[pgbouncer]\n${own.join('\n')}\n`,
  )
  await chmod(folder, 0o755)
  if (asRoot) await chown(folder, NOBODY_UID, NOBODY_UID)
  const child = spawn(program, [path.join(folder, 'pgbouncer.ini')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(asRoot && { uid: NOBODY_UID, gid: NOBODY_UID }),
  })
  t.teardown(async () => {
    if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit')
    await rm(folder, { recursive: true })
  })
  let log = ''
  for await (const chunk of child.stderr) {
    log += chunk
    if (log.includes('process up')) break
  }
  if (!log.includes('process up')) throw new Error(`pgbouncer did not start: ${log}`)
  const url = new URL(target)
  url.host = `127.0.0.1:${at}`
  return url.href
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
