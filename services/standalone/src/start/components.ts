import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type Service, serviceNames, startPostgres, startServices } from '@lethe/dev-env'
import { startInbox } from '../inbox/index.ts'
import { keepSecretKey } from './data-folder.ts'
import { makeDatabase, prepareDatabase } from './database.ts'
import { type DemoAccount, signUpDemo } from './demo-account.ts'
import { formatLogLine } from './log-lines.ts'
import { urlOf } from './ports.ts'
import type { Settings } from './settings.ts'

/** A started component that has to stop at the end. */
export interface Component {
  /** Resolves with its name when it has ended, whether stopped or not. */
  ended?: Promise<string>
  stop(): Promise<void>
  /** Ends it at once. */
  kill?(): void
}

export interface Running {
  hasInbox: boolean
  /** A file with the URL of the embedded database, for other commands. */
  databaseUrlFile: string | undefined
  demo: DemoAccount | undefined
}

export interface StartOptions {
  settings: Settings
  env: NodeJS.ProcessEnv
  print: (line: string) => void
  /** Receives each component when it has started, so that it stops even if a later one fails. */
  started: (component: Component) => void
  signal: AbortSignal
}

/** Starts all components, dependencies first; they must stop in reverse order. */
export async function startComponents(options: StartOptions): Promise<Running> {
  const { settings, print, signal } = options
  const secretKey = settings.secretKey ?? (await keepSecretKey(settings.dataDir))
  for (const place of [settings.exportDir, settings.uploadDir])
    if (!place.startsWith('s3:')) await mkdir(place, { recursive: true, mode: 0o700 })
  const embedded = settings.databaseUrl ? undefined : await startDatabase(options)
  signal.throwIfAborted()
  const databaseUrl = settings.databaseUrl ?? embedded?.url ?? ''
  const { applied, empty } = await prepareDatabase(databaseUrl, print)
  if (applied > 0) print(`Database prepared: ${applied} migrations applied`)
  const inbox = settings.smtpUrl ? undefined : await startInbox({ port: settings.inbox.port })
  if (inbox) options.started({ stop: inbox.close })
  signal.throwIfAborted()

  print('Starting the API and the worker …')
  const own = {
    PORT: String(settings.api.port),
    WORKER_PORT: String(settings.worker.port),
    DATABASE_URL: databaseUrl,
    SECRET_KEY: secretKey,
    SMTP_URL: settings.smtpUrl ?? inbox?.smtpUrl,
    EXPORT_DIR: settings.exportDir,
    UPLOAD_DIR: settings.uploadDir,
  }
  await saveEnvironment(options, own)
  await startBoth(options, own)
  return {
    hasInbox: inbox !== undefined,
    databaseUrlFile: embedded?.file,
    demo: embedded && empty ? await signUpDemo(urlOf(settings.api)) : undefined,
  }
}

async function startDatabase({ settings, print, started }: StartOptions) {
  print('Starting PostgreSQL …')
  const dataDir = path.join(settings.dataDir, 'postgres')
  const postgres = await startPostgres({ dataDir })
  const file = path.join(settings.dataDir, 'database-url')
  started({
    ended: postgres.ended.then(() => 'PostgreSQL'),
    kill: () => killIfThere(postgres.pid, 'SIGQUIT'),
    async stop() {
      await rm(file, { force: true })
      await postgres.stop()
    },
  })
  const url = await makeDatabase(postgres.url)
  await writeFile(file, `${url}\n`, { mode: 0o600 })
  return { url, file }
}

/** Stores the environment for `lethe doctor` while the services run. */
async function saveEnvironment(
  { settings, started }: StartOptions,
  own: NodeJS.ProcessEnv,
): Promise<void> {
  const file = path.join(settings.dataDir, 'environment.json')
  started({ stop: () => rm(file, { force: true }) })
  await writeFile(file, JSON.stringify(own), { mode: 0o600 })
}

async function startBoth(options: StartOptions, own: NodeJS.ProcessEnv): Promise<void> {
  const { settings, print, started, signal } = options
  const verbose = ['debug', 'trace'].includes(settings.logLevel)
  const ready = new Set<string>()
  const services = await startServices(
    (['api', 'worker'] as const).map((name) => ({
      name,
      env: { ...options.env, ...own },
      url: urlOf(settings[name]),
      signal,
      onLine(line) {
        // The last lines before a failed start are part of the error.
        const news = ready.has(name) || line.startsWith('{')
        const text = news ? formatLogLine(name, line, verbose) : undefined
        if (text) print(text)
      },
    })),
  )
  for (const { name } of services) ready.add(name)
  started(asComponent(services))
}

function asComponent(services: Service[]): Component {
  return {
    ended: Promise.race(services.map(({ name, ended }) => ended.then(() => serviceNames[name]))),
    async stop() {
      await Promise.all(services.map((service) => service.stop()))
    },
    kill() {
      for (const { pid } of services) killIfThere(pid, 'SIGKILL')
    },
  }
}

function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has already ended.
  }
}
