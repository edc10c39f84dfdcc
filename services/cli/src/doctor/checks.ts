import type { Db } from '@lethe/db'
import { checkClocks } from './clocks.ts'
import type { Finding } from './finding.ts'
import { checkExportDir, checkUploadDir } from './folders.ts'
import { checkForeignKeys } from './foreign-keys.ts'
import { checkGracePeriod } from './grace-period.ts'
import { checkMarks } from './marks.ts'
import { checkMigrations } from './migrations.ts'
import { checkPlan } from './plan.ts'
import { checkProxy } from './proxy.ts'
import { checkPublicUrl } from './public-url.ts'
import { checkRedis } from './redis.ts'
import { checkRole } from './role.ts'
import { checkKeyAndDatabase, checkKeyStrength } from './secret-key.ts'
import type { Settings } from './settings.ts'
import { checkSmtp } from './smtp.ts'

/** The input of the checks: the settings that can be read, and a database that answers. */
export interface Facts extends Settings {
  db: Db
}

export interface Check {
  about: string
  /** The check is skipped unless all of these are available. */
  needs: (keyof Facts)[]
  run(facts: Facts): Finding[] | Promise<Finding[]>
}

export const checks: Check[] = [
  check('migrations', ['db'], checkMigrations),
  check('role', ['db'], checkRole),
  check('plan', ['db'], checkPlan),
  check('foreign keys', ['db'], checkForeignKeys),
  check('clocks', ['db'], checkClocks),
  check('SECRET_KEY', ['secretKey'], checkKeyStrength),
  check('SECRET_KEY fits', ['secretKey', 'db'], checkKeyAndDatabase),
  check('Redis', ['redisUrl'], checkRedis),
  check('SMTP', ['smtpUrl', 'mailFrom', 'publicUrl', 'production'], checkSmtp),
  check('EXPORT_DIR', ['exportDir'], checkExportDir),
  check('UPLOAD_DIR', ['uploadDir'], checkUploadDir),
  check('folders', ['db', 'exportDir', 'uploadDir'], checkMarks),
  check('GRACE_PERIOD', ['gracePeriod'], checkGracePeriod),
  check('PUBLIC_URL', ['publicUrl', 'production'], checkPublicUrl),
  check('TRUST_PROXY', ['publicUrl', 'trustProxy'], checkProxy),
]

function check<Need extends keyof Facts>(
  about: string,
  needs: Need[],
  run: (facts: Pick<Facts, Need>) => Finding[] | Promise<Finding[]>,
): Check {
  return { about, needs, run }
}
