import { cheapHasher } from '@lethe/accounts/testing'
import { type FolderGuard, openStorage } from '@lethe/archive'
import type { Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { deriveKeys } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { Test } from 'tap'
import { type AppOptions, buildApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import type { Deps } from '../src/deps.ts'

const secretKey = Buffer.alloc(32, 7)
export const SECRET_KEY = secretKey.toString('base64url')
export const keys = deriveKeys(secretKey)

/** A guard that accepts any folder: the folders of a test belong to it alone. */
export const anyFolders: FolderGuard = {
  start: async () => undefined,
  findProblem: async () => undefined,
}

export interface TestAppOptions extends AppOptions {
  env?: NodeJS.ProcessEnv
  /** Additional routes for this test. */
  routes?: FastifyPluginAsync<Deps>
  folders?: FolderGuard
  /** Do not wait until the API is ready. */
  fresh?: boolean
}

/** The real API on a database of its own; the teardown removes both. */
export async function testApp(
  t: Pick<Test, 'teardown'>,
  { env, routes, folders = anyFolders, fresh = false, ...options }: TestAppOptions = {},
): Promise<{ app: FastifyInstance; db: Db; databaseUrl: string }> {
  const { db, url } = await testDb(t)
  const config = readConfig({ DATABASE_URL: url, SECRET_KEY, LOG_LEVEL: 'silent', ...env })
  const storage = openStorage(config.exportDir)
  const deps = { db, config, keys, hasher: cheapHasher, storage, folders }
  const app = buildApp(deps, options)
  if (routes) app.register(routes, deps)
  t.teardown(() => app.close())
  await app.ready()
  // On a busy machine the first query may take longer than the readiness guard waits.
  const isReady = async () => (await app.inject('/readyz')).statusCode === 200
  if (!fresh) await until('the API is ready', isReady)
  return { app, db, databaseUrl: url }
}
