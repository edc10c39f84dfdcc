import { ConfigError } from './error.ts'

/** For a `main.ts` alone: what `read` returns, or one line that names the wrong variable, and the process ends. */
export function configOrExit<T>(read: (env: NodeJS.ProcessEnv) => T): T {
  try {
    return read(process.env)
  } catch (error) {
    if (error instanceof ConfigError) exit(error.message)
    throw error
  }
}

/** Ends a process that must not go on, with one line for whoever started it. */
export function exit(line: string): never {
  process.stderr.write(`${line}\n`)
  process.exit(1)
}
