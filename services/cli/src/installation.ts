import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseEnv } from 'node:util'

/**
 * For a command without DATABASE_URL: adds `.env` and the environment of the services that `pnpm start` runs in this
 * folder. Returns `env` unchanged where `start` does not run here.
 */
export function withInstallation(env: NodeJS.ProcessEnv, folder: string): NodeJS.ProcessEnv {
  const running = path.join(folder, '.data/environment.json')
  if (env.DATABASE_URL || !existsSync(running)) return env
  const settings = path.join(folder, '.env')
  return {
    ...(existsSync(settings) && parseEnv(readFileSync(settings, 'utf8'))),
    ...env,
    ...(JSON.parse(readFileSync(running, 'utf8')) as NodeJS.ProcessEnv),
  }
}
