import { configOrExit, requiredUrl } from '@lethe/config'
import { asUnusable, connect, DatabaseReadOnlyError, type Db, isUnavailable } from '@lethe/db'
import { withInstallation } from './installation.ts'
import { run } from './run.ts'

/** `pnpm lethe …`: the operator's command line. */
const args = process.argv.slice(2)
let opened: Db | undefined
// A reader such as `head` closes the pipe early: exit without an error.
process.stdout.on('error', () => process.exit())
try {
  process.exitCode = await run(args, {
    // Lazy, so that commands without a database do not require DATABASE_URL.
    get db() {
      opened ??= connect(configOrExit(databaseUrl), { max: 2 })
      return opened
    },
    env: args[0] === 'doctor' ? withInstallation(process.env, process.cwd()) : process.env,
    print: (line) => process.stdout.write(`${line}\n`),
  })
} catch (error) {
  process.stderr.write(`${lineOf(error)}\n`)
  process.exitCode = 1
} finally {
  await opened?.destroy()
}
// A check of `doctor` that timed out may still hold a connection open.
process.exit()

function databaseUrl(env: NodeJS.ProcessEnv): string {
  return requiredUrl(env, 'DATABASE_URL', ['postgres:', 'postgresql:'])
}

function lineOf(error: unknown): string {
  const unusable = asUnusable(error)
  if (unusable) return unusable.message
  if (error instanceof DatabaseReadOnlyError) return error.message
  if (isUnavailable(error))
    return 'The database in DATABASE_URL does not answer. Start it, or correct DATABASE_URL.'
  return error instanceof Error ? error.message : String(error)
}
