import { configOrExit, requiredUrl } from '@lethe/config'
import { connect } from '@lethe/db'
import { run } from './run.ts'

/** `pnpm lethe …`: what an operator does from a terminal. */
const databaseUrl = configOrExit((env) =>
  requiredUrl(env, 'DATABASE_URL', ['postgres:', 'postgresql:']),
)
const db = connect(databaseUrl, { max: 2 })
try {
  process.exitCode = await run(process.argv.slice(2), {
    db,
    print: (line) => process.stdout.write(`${line}\n`),
  })
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
} finally {
  await db.destroy()
}
