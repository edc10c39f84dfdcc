import { type Check, checks, type Facts } from './checks.ts'
import { openDatabase } from './database.ts'
import { type Finding, why, wrong } from './finding.ts'
import { inTime } from './in-time.ts'
import { readSettings } from './settings.ts'

export interface Report {
  about: string
  /** None where it could not be looked at, for want of what another report finds wrong. */
  findings: Finding[]
}

/** Looks at all that can be looked at, side by side. Keeps nothing that it writes, and sends no mail. */
export async function examine(env: NodeJS.ProcessEnv): Promise<Report[]> {
  const { settings, findings } = readSettings(env)
  const { db, findings: database } = await openDatabase(settings)
  const facts: Partial<Facts> = db ? { ...settings, db } : settings
  const reports = await Promise.all(checks.map((check) => report(check, facts)))
  // Whoever hangs in it hung in a check before, and was told of.
  await inTime(db?.destroy()).catch(() => {})
  return [{ about: 'settings', findings }, { about: 'database', findings: database }, ...reports]
}

async function report({ about, needs, look }: Check, facts: Partial<Facts>): Promise<Report> {
  if (!hasAll(facts, needs)) return { about, findings: [] }
  try {
    return { about, findings: await inTime(look(facts)) }
  } catch (error) {
    const finding = wrong(
      `could not be looked at${why(error)}`,
      'try again; where it stays so, look at it by hand',
    )
    return { about, findings: [finding] }
  }
}

/** All that this check asks for, at least: it is given no more to see. */
function hasAll(facts: Partial<Facts>, needs: (keyof Facts)[]): facts is Facts {
  return needs.every((need) => Object.hasOwn(facts, need))
}
