import type { Hasher } from '@lethe/accounts'
import type { FolderGuard, Storage } from '@lethe/archive'
import type { Db } from '@lethe/db'
import type { Keys, Readiness } from '@lethe/lifecycle'
import type { Auth } from './auth.ts'
import type { ApiConfig } from './config.ts'
import type { IsStopping } from './drain.ts'
import type { ConsumeLimit, ConsumePasswordLimit } from './rate-limits.ts'

/** The dependencies of the API, created by `main.ts` or by a test. */
export interface Deps {
  db: Db
  keys: Keys
  hasher: Hasher
  config: ApiConfig
  /** Stores the archives. */
  storage: Storage
  /** Checks that EXPORT_DIR and UPLOAD_DIR belong to this database. */
  folders: FolderGuard
}

/** The dependencies of every route plugin. */
export interface RouteDeps extends Deps {
  isStopping: IsStopping
  whyNotReady: Readiness
  auth: Auth
  consumeLimit: ConsumeLimit
  consumePasswordLimit: ConsumePasswordLimit
}
