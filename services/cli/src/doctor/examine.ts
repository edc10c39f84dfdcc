import { type Check, checks, type Facts } from './checks.ts'
import { openDatabase } from './database.ts'
import { type Finding, why, wrong } from './finding.ts'
import { readSettings } from './settings.ts'
import { withTimeout } from './with-timeout.ts'

export interface Report {
  about: string
  /** Empty where the check was skipped because of a failure that another report names. */
  findings: Finding[]
}

/** Runs all checks whose input is available, in parallel. They keep nothing that they write, and send no mail. */
export async function runChecks(env: NodeJS.ProcessEnv): Promise<Report[]> {
  const { settings, findings } = readSettings(env)
  const { db, findings: databaseFindings } = await openDatabase(settings)
  const facts: Partial<Facts> = db ? { ...settings, db } : settings
  const reports = await Promise.all(checks.map((check) => runCheck(check, facts)))
  // A query that still blocks this has made a check time out, and that check reported it.
  await withTimeout(db?.destroy()).catch(() => {})
  return [
    { about: 'settings', findings },
    { about: 'database', findings: databaseFindings },
    ...reports,
  ]
}

async function runCheck({ about, needs, run }: Check, facts: Partial<Facts>): Promise<Report> {
  if (!hasAll(facts, needs)) return { about, findings: [] }
  try {
    return { about, findings: await withTimeout(run(facts)) }
  } catch (error) {
    const finding = wrong(
      `could not be checked${why(error)}`,
      'run doctor again; if this happens again, check it by hand',
    )
    return { about, findings: [finding] }
  }
}

/** Whether everything that a check needs is available. */
function hasAll(facts: Partial<Facts>, needs: (keyof Facts)[]): facts is Facts {
  return needs.every((need) => Object.hasOwn(facts, need))
}
