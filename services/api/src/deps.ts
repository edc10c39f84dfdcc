import type { Hasher } from '@lethe/accounts'
import type { FolderGuard, Storage } from '@lethe/archive'
import type { Db } from '@lethe/db'
import type { Keys, Readiness } from '@lethe/lifecycle'
import type { Auth } from './auth.ts'
import type { ApiConfig } from './config.ts'
import type { IsStopping } from './drain.ts'
import type { ConsumeLimit, ConsumePasswordLimit } from './rate-limits.ts'

/** All that the API works with; `main.ts` makes it, and tests make their own. */
export interface Deps {
  db: Db
  keys: Keys
  hasher: Hasher
  config: ApiConfig
  /** Where archives lie. */
  storage: Storage
  /** Whether EXPORT_DIR and UPLOAD_DIR are this database's. */
  folders: FolderGuard
}

/** What every plugin of routes is given. */
export interface RouteDeps extends Deps {
  isStopping: IsStopping
  whyNotReady: Readiness
  auth: Auth
  consumeLimit: ConsumeLimit
  consumePasswordLimit: ConsumePasswordLimit
}
