import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Db } from '@lethe/db'
import { startServices } from '@lethe/dev-env'
import t, { type Test } from 'tap'
import { runStory } from '../src/demo/story.ts'
import { readCompose, readExample, readImage, root } from './shape/compose.ts'
import { type Machine, makeMachine } from './shape/machine.ts'

const run = promisify(execFile)

// Runs production as its own files describe it. A test changes only what depends on the machine: hosts, ports, folders,
// and a grace period that it can wait for.
const GRACE_SECONDS = 12
const given = {
  SECRET_KEY: 'Zk3v0Zr1c7Jt0m8fVwq2mXo5l9sB4hYd6nTgUe1iKpA',
  POSTGRES_PASSWORD: 'f00d',
  GRACE_PERIOD: `PT${GRACE_SECONDS}S`,
}

t.test(
  'docker-compose.yml serves one deletion from sign-up to erasure with its own role and settings',
  async (t) => {
    const machine = await makeMachine(t)
    const services = await readCompose(given)
    const image = await readImage()
    const postgres = services.get('postgres')?.environment
    const db = await machine.makeDatabase({
      role: postgres?.POSTGRES_USER ?? '',
      password: postgres?.POSTGRES_PASSWORD ?? '',
      database: postgres?.POSTGRES_DB ?? '',
      // The PostgreSQL image makes its POSTGRES_USER a superuser.
      superuser: true,
    })
    // Docker fills a new volume with the image's content of that path: an empty folder of the user `node`.
    const data = path.join(machine.folder, 'data')
    await mkdir(data, { mode: 0o700 })
    const processOf = (name: string) => {
      const service = services.get(name)
      const settings = { ...image.env, ...given, ...service?.environment }
      return {
        command: service?.command ?? image.command,
        env: machine.here(settings, { '/data': data }),
      }
    }
    await migrate(processOf('migrate'))
    await runDeletion(t, machine, { db, api: processOf('api'), worker: processOf('worker') })
    for (const name of ['api', 'worker']) {
      const [kind, program, ...args] = services.get(name)?.healthcheck ?? []
      t.strictSame([kind, program], ['CMD', 'node'])
      const health = args.map((text) => machine.atPorts(text))
      await run(process.execPath, health)
    }
  },
)

t.test(
  '.env.example serves one deletion from sign-up to erasure with a role that is not a superuser',
  async (t) => {
    const machine = await makeMachine(t)
    const example = await readExample()
    const url = new URL(example.DATABASE_URL)
    const db = await machine.makeDatabase({
      role: url.username,
      password: url.password,
      database: url.pathname.slice(1),
      superuser: false,
    })
    const data = path.join(machine.folder, 'data')
    const env = machine.here({ ...example, ...given }, { '.data': data })
    await migrate({ env, command: await commandOf('migrate') })
    await runDeletion(t, machine, {
      db,
      api: { env, command: await commandOf('start:api') },
      worker: { env, command: await commandOf('start:worker') },
    })
  },
)

interface Process {
  command: string[]
  env: NodeJS.ProcessEnv
}

async function migrate({ command, env }: Process): Promise<void> {
  const [program, ...args] = command
  t.equal(program, 'node')
  await run(process.execPath, args, { cwd: root, env })
}

interface Life {
  db: Db
  api: Process
  worker: Process
}

async function runDeletion(t: Test, machine: Machine, { db, api, worker }: Life): Promise<void> {
  const url = api.env.PUBLIC_URL ?? ''
  // `startServices` starts the same programs.
  t.strictSame(api.command, ['node', 'services/api/src/main.ts'])
  t.strictSame(worker.command, ['node', 'services/worker/src/main.ts'])
  const workerUrl = `http://127.0.0.1:${worker.env.WORKER_PORT}`
  const started = await startServices([
    { name: 'api', env: api.env, url },
    { name: 'worker', env: worker.env, url: workerUrl },
  ])
  t.teardown(() => Promise.all(started.map((service) => service.stop())))
  const uploadDir = worker.env.UPLOAD_DIR ?? ''
  t.equal(uploadDir, api.env.UPLOAD_DIR, 'both share one folder')
  // The demo prints its steps.
  t.capture(console, 'log')
  await runStory({ api: url, inbox: machine.inbox, db, uploadDir, graceSeconds: GRACE_SECONDS })
}

async function commandOf(script: string): Promise<string[]> {
  const { default: manifest } = await import(path.join(root, 'package.json'), {
    with: { type: 'json' },
  })
  return manifest.scripts[script].split(' ')
}
