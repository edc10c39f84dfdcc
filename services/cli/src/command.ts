import type { Db } from '@lethe/db'

export interface Terminal {
  readonly db: Db
  readonly env: NodeJS.ProcessEnv
  print(line: string): void
}

/** Does its work and returns the exit code: 0 when all is well. */
export type Command = (args: string[], terminal: Terminal) => Promise<number>
