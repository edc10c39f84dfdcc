import { ConfigError } from './error.ts'

/**
 * For use in a `main.ts` only: returns what `read` returns, or prints one line that names the wrong variable and
 * exits.
 */
export function configOrExit<T>(read: (env: NodeJS.ProcessEnv) => T): T {
  try {
    return read(process.env)
  } catch (error) {
    if (error instanceof ConfigError) exit(error.message)
    throw error
  }
}

/** Prints one line for the operator and exits. */
export function exit(line: string): never {
  process.stderr.write(`${line}\n`)
  process.exit(1)
}
