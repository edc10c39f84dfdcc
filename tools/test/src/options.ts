import { parseArgs } from 'node:util'

interface Options {
  /** Files and folders; all tests if there are none. */
  named: string[]
  /** Runs on a database whose role and defaults are against us. */
  hostile: boolean
  /** Keeps the servers up, and runs the tests again on each save. */
  watch: boolean
  /** A regular expression for the titles of tests. */
  grep: string | undefined
}

/** Ends the process with one line where an option is unknown. */
export function readOptions(args: string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: args.filter((argument) => argument !== '--'),
      allowPositionals: true,
      options: {
        hostile: { type: 'boolean', default: false },
        watch: { type: 'boolean', default: false },
        grep: { type: 'string' },
      },
    })
    const { hostile, watch, grep } = values
    return { named: positionals, hostile, watch, grep }
  } catch (error) {
    console.error((error as Error).message)
    console.error('Usage: pnpm test [--hostile] [--watch] [--grep PATTERN] [FILE or FOLDER …]')
    process.exit(2)
  }
}
