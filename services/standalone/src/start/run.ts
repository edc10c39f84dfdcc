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
  printError: (line: string) => void
  /** Aborts when the user asks to stop. */
  asked: AbortSignal
  /** Aborts when the user asks again, to stop at once. */
  forced: AbortSignal
}

/**
 * Runs everything until the user stops it or a component ends by itself; then stops all components, the last started
 * first. Returns the exit code.
 */
export async function runUntilAsked(options: RunOptions): Promise<number> {
  const { dataDir, print, printError, asked } = options
  try {
    const hold = await holdDataFolder(dataDir)
    try {
      return await runInFolder(options)
    } finally {
      hold.release()
    }
  } catch (error) {
    if (asked.aborted) print('Stopped before everything had started.')
    else printError(formatError(error))
    return asked.aborted ? 0 : 1
  }
}

async function runInFolder({ env, dataDir, print, printError, asked, forced }: RunOptions) {
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
    printError(`${ended} has ended by itself, so everything is stopped.`)
    return 1
  } finally {
    for (const { stop } of components.reverse()) await stop()
  }
}

/** Resolves with the name of the component that ended by itself, or undefined when the user asks to stop. */
function firstToEnd(components: Component[], asked: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    if (asked.aborted) resolve(undefined)
    asked.addEventListener('abort', () => resolve(undefined))
    for (const { ended } of components) void ended?.then(resolve)
  })
}

/** An error that the user can fix is one sentence; any other is a bug, with its stack. */
function formatError(error: unknown): string {
  if (error instanceof UserFacingError || error instanceof ConfigError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
