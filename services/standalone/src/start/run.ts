import { ConfigError } from '@lethe/config'
import { UserFacingError } from '@lethe/dev-env'
import { type Component, startComponents } from './components.ts'
import { holdDataFolder } from './data-folder.ts'
import { requireFree } from './ports.ts'
import { readSettings } from './settings.ts'
import { welcome } from './welcome.ts'

export interface RunOptions {
  env: NodeJS.ProcessEnv
  dataDir: string
  print: (line: string) => void
  complain: (line: string) => void
  /** Somebody wants everything to stop. */
  asked: AbortSignal
  /** Somebody does not want to wait for that. */
  forced: AbortSignal
}

/** Runs everything until it is asked to stop or a part ends by itself; then ends all parts, the last started first. Returns the exit code. */
export async function runUntilAsked(options: RunOptions): Promise<number> {
  const { dataDir, print, complain, asked } = options
  try {
    const hold = await holdDataFolder(dataDir)
    try {
      return await runHere(options)
    } finally {
      hold.release()
    }
  } catch (error) {
    if (asked.aborted) print('Stopped before everything had started.')
    else complain(formatError(error))
    return asked.aborted ? 0 : 1
  }
}

async function runHere({ env, dataDir, print, complain, asked, forced }: RunOptions) {
  const settings = await readSettings(env, dataDir)
  const { api, worker, inbox } = settings
  await requireFree([api, worker, ...(settings.smtpUrl ? [] : [inbox])])
  const components: Component[] = []
  asked.addEventListener('abort', () => print('\nStopping … (once more to force it)'))
  forced.addEventListener('abort', () => {
    for (const { kill } of components) kill?.()
  })
  try {
    const started = (component: Component) => void components.push(component)
    const running = await startComponents({ settings, env, print, started, signal: asked })
    print(welcome(settings, running))
    const ended = await firstToEnd(components, asked)
    if (ended === undefined) return 0
    complain(`${ended} has ended by itself, so everything is stopped.`)
    return 1
  } finally {
    for (const { stop } of components.reverse()) await stop()
  }
}

/** The name of the part that ended by itself, or nothing once somebody has asked to stop. */
function firstToEnd(components: Component[], asked: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    if (asked.aborted) resolve(undefined)
    asked.addEventListener('abort', () => resolve(undefined))
    for (const { ended } of components) void ended?.then(resolve)
  })
}

/** What a person can put right is said in one sentence; anything else is our mistake, and shown whole. */
function formatError(error: unknown): string {
  if (error instanceof UserFacingError || error instanceof ConfigError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
