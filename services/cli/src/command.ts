import type { Db } from '@lethe/db'

export interface Terminal {
  readonly db: Db
  readonly env: NodeJS.ProcessEnv
  print(line: string): void
}

/** Runs a command and returns its exit code: 0 done, 1 something is wrong, 2 wrong usage. */
export type Command = (args: string[], terminal: Terminal) => Promise<number>
