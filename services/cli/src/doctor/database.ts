import { asUnusable, connect, DatabaseReadOnlyError, type Db, isUnavailable } from '@lethe/db'
import { sql } from 'kysely'
import { type Finding, ok, why, wrong } from './finding.ts'
import { withTimeout } from './with-timeout.ts'

/** Returns `db` where the database answers; the caller must destroy it. */
export async function openDatabase({
  databaseUrl,
}: {
  databaseUrl?: string
}): Promise<{ db?: Db; findings: Finding[] }> {
  if (databaseUrl === undefined) return { findings: [] }
  const db = connect(databaseUrl, { max: 5, statementTimeout: 4_000 })
  try {
    return { db, findings: [await withTimeout(showVersion(db))] }
  } catch (error) {
    await withTimeout(db.destroy()).catch(() => {})
    return { findings: [findingFor(error)] }
  }
}

async function showVersion(db: Db): Promise<Finding> {
  const { rows } = await sql<{ version: string }>`
    select split_part(current_setting('server_version'), ' ', 1) as version`.execute(db)
  return ok(`PostgreSQL ${rows[0]?.version} answers`)
}

function findingFor(error: unknown): Finding {
  const unusable = asUnusable(error)
  if (unusable) return wrong(unusable.what, unusable.remedy)
  if (error instanceof DatabaseReadOnlyError)
    return wrong(
      'is read-only',
      'name the primary server in DATABASE_URL, or allow writes on this one again',
    )
  const { code } = error as { code?: string }
  // SQLSTATE class 28: invalid authorization; 3D000: no such database.
  if (code?.startsWith('28'))
    return wrong(`refuses the log-in (${code})`, 'correct user and password in DATABASE_URL')
  if (code === '3D000')
    return wrong(
      'does not exist on this server',
      'create it with createdb, or correct its name in DATABASE_URL',
    )
  const what = isUnavailable(error) ? 'does not answer' : 'cannot be queried'
  return wrong(`${what}${why(error)}`, 'start it, or correct DATABASE_URL')
}
