import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { checkBucket } from './bucket.ts'
import { type Finding, ok, warning, why, wrong } from './finding.ts'

export const checkExportDir = ({ exportDir }: { exportDir: string }) =>
  exportDir.startsWith('s3:') ? checkBucket(exportDir) : checkFolder('EXPORT_DIR', exportDir)

export const checkUploadDir = ({ uploadDir }: { uploadDir: string }) =>
  checkFolder('UPLOAD_DIR', uploadDir)

/** Writes a file, because the mode of a folder does not decide alone whether it is writable; root ignores it. */
async function checkFolder(variable: string, folder: string): Promise<Finding[]> {
  const shown = JSON.stringify(folder)
  const found = await stat(folder).catch(() => undefined)
  try {
    if (found) await tryFile(folder)
    else await tryFolder(path.dirname(folder))
  } catch (error) {
    return [
      wrong(
        `${shown} cannot be written${why(error)}`,
        `give it to the user of API and worker (chown), or name another folder in ${variable}`,
      ),
    ]
  }
  if (!found) return [ok(`${shown} does not exist yet and can be created`)]
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  if (found.mode & 0o007)
    return [wrong(`${shown} is open to all users (mode ${mode})`, `chmod 700 ${shown}`)]
  if (found.mode & 0o070)
    return [warning(`${shown} is open to its group (mode ${mode})`, `chmod 700 ${shown}`)]
  return [ok(`${shown} can be written, and only its owner has access`)]
}

async function tryFile(folder: string): Promise<void> {
  const file = path.join(folder, `.lethe-doctor-${randomUUID()}`)
  try {
    await writeFile(file, 'x', { flag: 'wx', mode: 0o600 })
  } finally {
    await rm(file, { force: true })
  }
}

/** Tests only whether the folder can be created: the services create it themselves, so that they own it. */
async function tryFolder(parent: string): Promise<void> {
  if (await exists(parent)) await rmdir(await mkdtemp(path.join(parent, '.lethe-doctor-')))
  else await tryFolder(path.dirname(parent))
}

function exists(folder: string): Promise<boolean> {
  return stat(folder).then(
    () => true,
    () => false,
  )
}
