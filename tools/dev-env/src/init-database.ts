import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { RunAs } from './run-unprivileged.ts'

const run = promisify(execFile)

export interface Cluster {
  /** The argument of `postgres -D`. */
  folder: string
  user: string
  password: string
}

export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
}

/** Returns the cluster in `dataDir`. The first use creates it, completely or not at all. */
export async function openCluster(dataDir: string, initdb: string, runAs: RunAs): Promise<Cluster> {
  const folder = path.join(dataDir, 'cluster')
  const passwordFile = path.join(dataDir, 'password')
  const user = 'postgres'
  if (!(await exists(folder))) {
    const fresh = `${folder}.new`
    await rm(fresh, { recursive: true, force: true })
    await rm(passwordFile, { force: true })
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 })
    await giveTo(runAs, dataDir)
    const [program = '', ...args] = [
      ...[...runAs.prefix, initdb, '-D', fresh, '-U', user],
      ...['--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8'],
      ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
    ]
    await run(program, args, { cwd: dataDir })
    await rename(fresh, folder)
  }
  await giveTo(runAs, dataDir)
  return { folder, user, password: (await readFile(passwordFile, 'utf8')).trim() }
}

/** The folder may belong to the user of an earlier run. */
async function giveTo({ uid }: RunAs, folder: string): Promise<void> {
  if (process.getuid?.() === 0) await run('chown', ['-R', `${uid}:${uid}`, folder])
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}
