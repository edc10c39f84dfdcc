import type { Db } from '@lethe/db'
import { lookAtClocks } from './clocks.ts'
import type { Finding } from './finding.ts'
import { lookAtExportDir, lookAtUploadDir } from './folders.ts'
import { lookAtForeignKeys } from './foreign-keys.ts'
import { lookAtGracePeriod } from './grace-period.ts'
import { lookAtMarks } from './marks.ts'
import { lookAtMigrations } from './migrations.ts'
import { lookAtPlan } from './plan.ts'
import { lookAtProxy } from './proxy.ts'
import { lookAtPublicUrl } from './public-url.ts'
import { lookAtRedis } from './redis.ts'
import { lookAtRole } from './role.ts'
import { lookAtKeyAndDatabase, lookAtKeyStrength } from './secret-key.ts'
import type { Settings } from './settings.ts'
import { lookAtSmtp } from './smtp.ts'

/** What checks are given to look at: settings that can be read, and a database that answers. */
export interface Facts extends Settings {
  db: Db
}

export interface Check {
  about: string
  /** Without all of these nothing can be looked at. */
  needs: (keyof Facts)[]
  look(facts: Facts): Finding[] | Promise<Finding[]>
}

export const checks: Check[] = [
  check('migrations', ['db'], lookAtMigrations),
  check('role', ['db'], lookAtRole),
  check('plan', ['db'], lookAtPlan),
  check('foreign keys', ['db'], lookAtForeignKeys),
  check('clocks', ['db'], lookAtClocks),
  check('SECRET_KEY', ['secretKey'], lookAtKeyStrength),
  check('SECRET_KEY fits', ['secretKey', 'db'], lookAtKeyAndDatabase),
  check('Redis', ['redisUrl'], lookAtRedis),
  check('SMTP', ['smtpUrl', 'mailFrom', 'publicUrl', 'production'], lookAtSmtp),
  check('EXPORT_DIR', ['exportDir'], lookAtExportDir),
  check('UPLOAD_DIR', ['uploadDir'], lookAtUploadDir),
  check('folders', ['db', 'exportDir', 'uploadDir'], lookAtMarks),
  check('GRACE_PERIOD', ['gracePeriod'], lookAtGracePeriod),
  check('PUBLIC_URL', ['publicUrl', 'production'], lookAtPublicUrl),
  check('TRUST_PROXY', ['publicUrl', 'trustProxy'], lookAtProxy),
]

function check<Need extends keyof Facts>(
  about: string,
  needs: Need[],
  look: (facts: Pick<Facts, Need>) => Finding[] | Promise<Finding[]>,
): Check {
  return { about, needs, look }
}
