import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { makeFolder, UserFacingError } from '@lethe/dev-env'

/**
 * Creates the folder if it is missing, for the owner only, and locks it until `release`. The lock is an abstract Unix
 * socket: it ends with the process, however that ends, and needs no cleanup.
 */
export async function holdDataFolder(folder: string): Promise<{ release(): void }> {
  await makeFolder(folder)
  const { dev, ino } = await stat(folder)
  const hold = createServer()
  hold.listen({ path: `\0lethe-data-${dev}-${ino}` })
  try {
    await once(hold, 'listening')
  } catch {
    throw new UserFacingError(
      `${folder} is in use by another \`pnpm start\`: stop that one first, with Ctrl-C where it runs.`,
    )
  }
  return { release: () => void hold.close() }
}

/** Returns the secret key that all others are derived from. The first call creates it, readable by the owner only. */
export async function keepSecretKey(folder: string): Promise<string> {
  const file = path.join(folder, 'secret-key')
  const key = randomBytes(32).toString('base64url')
  // `wx` does not overwrite an existing key.
  await writeFile(file, `${key}\n`, { mode: 0o600, flag: 'wx' }).catch(ignoreExisting)
  return (await readFile(file, 'utf8')).trim()
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
