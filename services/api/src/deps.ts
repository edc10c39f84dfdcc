import type { Keys } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import type { ApiConfig } from './config.ts'
import type { Spend } from './rate-limits.ts'

/** All that the API works with; `main.ts` makes it, and tests make their own. */
export interface Deps {
  db: Db
  keys: Keys
  config: ApiConfig
}

/** What every plugin of routes is given. */
export interface RouteDeps extends Deps {
  spend: Spend
}
