import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { freePort, isAlive } from '@lethe/dev-env'
import { until } from '@lethe/machine-speed'
import t, { type Test } from 'tap'
import { descendants, launch, type Ports } from './launch.ts'

const run = promisify(execFile)
const cli = path.join(import.meta.dirname, '../../cli/src/main.ts')

t.test('the printed commands lead to a deletion, and a stop leaves no process', async (t) => {
  const { dataDir, ports } = await makeFolderAndPorts(t)
  const start = launch(t, dataDir, ports)
  await start.ready()

  for (const port of [ports.PORT, ports.WORKER_PORT])
    t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
  const lines = start.output().match(/^ {2}.*curl.*$/gm) ?? []
  t.equal(lines.length, 3)
  const answers = []
  for (const line of lines) answers.push((await run('sh', ['-c', line], { cwd: '/' })).stdout)
  t.match(answers[0], /"email":"demo@example\.com"/)
  t.match(answers[1], /"status":"pending"/)
  t.match(answers[2], /"subject":"Your account will be erased/)

  for (const name of ['', 'postgres', 'exports', 'uploads'])
    t.equal((await stat(path.join(dataDir, name))).mode & 0o777, 0o700, name)
  for (const name of ['secret-key', 'database-url'])
    t.equal((await stat(path.join(dataDir, name))).mode & 0o777, 0o600, name)

  const doctor = await run(process.execPath, [cli, 'doctor'], {
    cwd: path.dirname(dataDir),
    env: { PATH: process.env.PATH },
  })
  t.match(doctor.stdout, /^ok +database +PostgreSQL/m, 'the doctor checks what runs in its folder')
  t.match(doctor.stdout, /^ok +SMTP/m)
  t.match(doctor.stdout, /^Wrong: 0,/m)

  const processes = await descendants(start.pid)
  t.ok(processes.length >= 3)
  t.equal(await start.stop('SIGINT'), 0)
  t.same(processes.filter(isAlive), [])
  t.notOk((await readdir(dataDir)).includes('environment.json'))
})

t.test(
  'a second start keeps the key and the account, and does not show the password again',
  async (t) => {
    const { dataDir, ports } = await makeFolderAndPorts(t)
    const first = launch(t, dataDir, ports)
    await first.ready()
    const key = await readFile(path.join(dataDir, 'secret-key'), 'utf8')
    const [, email, password] =
      /account is (\S+) with the password (\S+)/.exec(first.output()) ?? []
    t.equal(await first.stop('SIGTERM'), 0)

    const second = launch(t, dataDir, ports)
    await second.ready()
    t.notMatch(second.output(), password ?? '')
    t.equal(await readFile(path.join(dataDir, 'secret-key'), 'utf8'), key)
    const session = await fetch(`http://localhost:${ports.PORT}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password }),
    })
    t.equal(session.status, 201)
    const lines = second.output().match(/^ {2}.*curl.*$/gm) ?? []
    const { stdout } = await run('sh', ['-c', lines.join('\n')], { cwd: '/' })
    t.match(stdout, /"status":"pending"/)

    const third = launch(t, dataDir, ports)
    t.equal(await third.ended, 1)
    t.match(third.output(), /is in use by another `pnpm start`/)
    t.equal(await second.stop('SIGHUP'), 0)
  },
)

t.test('a service that dies is named and stops everything', async (t) => {
  const { dataDir, ports } = await makeFolderAndPorts(t)
  const start = launch(t, dataDir, ports)
  await start.ready()
  const processes = await descendants(start.pid)
  process.kill(await find(processes, 'services/worker/src/main.ts'), 'SIGKILL')
  t.equal(await start.ended, 1)
  t.match(start.output(), /The worker has ended by itself/)
  t.same(processes.filter(isAlive), [])
})

t.test('a killed start takes its services along, and the next start works', async (t) => {
  const { dataDir, ports } = await makeFolderAndPorts(t)
  const killed = launch(t, dataDir, ports)
  await killed.ready()
  const processes = await descendants(killed.pid)
  const services = [
    await find(processes, 'services/api/src/main.ts'),
    await find(processes, 'services/worker/src/main.ts'),
  ]
  await killed.stop('SIGKILL')
  await until('the services have ended', () => !services.some(isAlive))

  const next = launch(t, dataDir, ports)
  await next.ready()
  t.same(processes.filter(isAlive), [], 'PostgreSQL is a new one')
  t.equal(await next.stop('SIGINT'), 0)
})

t.test('stops when asked to while it is starting', async (t) => {
  const { dataDir, ports } = await makeFolderAndPorts(t)
  const start = launch(t, dataDir, ports)
  await until('the services are being started', () => start.output().includes('Starting the API'))
  const processes = await descendants(start.pid)
  t.equal(await start.stop('SIGINT'), 0)
  t.same(processes.filter(isAlive), [])
})

t.test('reports a taken port in one line with its variable', async (t) => {
  const { dataDir, ports } = await makeFolderAndPorts(t)
  const holder = createServer().listen(ports.WORKER_PORT, '127.0.0.1')
  t.teardown(() => holder.close())
  const start = launch(t, dataDir, ports)
  t.equal(await start.ended, 1)
  t.equal(
    start.output(),
    `Port ${ports.WORKER_PORT} is taken: stop what listens there, or set WORKER_PORT to another port.\n`,
  )
  t.same(await readdir(dataDir), [])
})

t.test('reports unusable settings in one line and leaves no process', async (t) => {
  const { dataDir, ports } = await makeFolderAndPorts(t)
  const wrong = launch(t, dataDir, { ...ports, PORT: 'here' })
  t.equal(await wrong.ended, 1)
  t.equal(wrong.output(), 'PORT is "here"; it takes a port number from 0 to 65535\n')

  const elsewhere = { ...ports, DATABASE_URL: 'postgres://lethe:hidden@127.0.0.1:1/lethe' }
  const away = launch(t, dataDir, elsewhere)
  t.equal(await away.ended, 1)
  t.match(away.output(), /^The database that DATABASE_URL names does not answer.*\n$/)
  t.notMatch(away.output(), 'hidden')

  const refused = launch(t, dataDir, { ...ports, GRACE_PERIOD: '27' })
  t.equal(await refused.ended, 1)
  t.match(refused.output(), /\nThe API did not start; its last lines were:\nGRACE_PERIOD is "27"/)
  t.same(await descendants(refused.pid), [])
})

async function makeFolderAndPorts(t: Test): Promise<{ dataDir: string; ports: Ports }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-start-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [PORT, WORKER_PORT, INBOX_PORT] = [await freePort(), await freePort(), await freePort()]
  return { dataDir: path.join(folder, '.data'), ports: { PORT, WORKER_PORT, INBOX_PORT } }
}

async function find(pids: number[], program: string): Promise<number> {
  for (const pid of pids)
    if ((await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(program))
      return pid
  throw new Error(`${program} does not run`)
}
