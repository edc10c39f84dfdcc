import { configOrExit, requiredUrl } from '@lethe/config'
import { asUnusable, connect, DatabaseReadOnlyError, type Db, isUnavailable } from '@lethe/db'
import { withInstallation } from './installation.ts'
import { run } from './run.ts'

/** `pnpm lethe …`: what an operator does from a terminal. */
const args = process.argv.slice(2)
let opened: Db | undefined
// Whoever reads the first lines alone has seen enough.
process.stdout.on('error', () => process.exit())
try {
  process.exitCode = await run(args, {
    // Only a command that needs the database asks for its address.
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
// The doctor may have given up on a server that still holds its connection.
process.exit()

function databaseUrl(env: NodeJS.ProcessEnv): string {
  return requiredUrl(env, 'DATABASE_URL', ['postgres:', 'postgresql:'])
}

function lineOf(error: unknown): string {
  const unusable = asUnusable(error)
  if (unusable) return unusable.message
  if (error instanceof DatabaseReadOnlyError) return error.message
  if (isUnavailable(error)) return 'The database that DATABASE_URL names does not answer.'
  return error instanceof Error ? error.message : String(error)
}
