import { ConfigError, requiredUrl } from '@lethe/config'
import { connect } from '@lethe/db'
import { run } from './run.ts'

/** `pnpm lethe …`: what an operator does from a terminal. */
const db = connectOrExit()
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

function connectOrExit() {
  try {
    return connect(requiredUrl(process.env, 'DATABASE_URL', ['postgres:', 'postgresql:']), {
      max: 2,
    })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}
