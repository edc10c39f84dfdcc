import { constants, type FileHandle, open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { exportedFolders, type Plan } from '@lethe/erasure'
import type { Added, Zip } from './zip.ts'

export interface GatheredFile extends Added {
  /** What lies in its folder. */
  is: string
  /** Its name before, which may hold anything that a file system takes. */
  wasCalled: string
}

interface FilesOptions {
  plan: Plan
  userId: number
  uploadDir: string
}

/** Adds the files of all exported folders, as they are, numbered in the order of their names. */
export async function gatherFiles(
  { plan, userId, uploadDir }: FilesOptions,
  zip: Zip,
): Promise<GatheredFile[]> {
  const gathered: GatheredFile[] = []
  for (const { folder, name, is } of exportedFolders(uploadDir, plan.map, userId)) {
    let number = 0
    for (const wasCalled of await filesIn(folder)) {
      const file = await openIfThere(path.join(folder, wasCalled))
      // Replaced or removed since the folder was looked at.
      if (!file) continue
      const safe = `files/${name}/${++number}${extension(wasCalled)}`
      try {
        const added = await addFile(file, safe, zip)
        gathered.push({ ...added, is, wasCalled })
      } finally {
        await file.close()
      }
    }
  }
  return gathered
}

async function addFile(file: FileHandle, name: string, zip: Zip): Promise<Added> {
  const entry = await zip.open(name, { smaller: !isCompressed(name) })
  try {
    for await (const chunk of file.createReadStream({ autoClose: false }))
      await entry.write(chunk as Buffer)
    return await entry.end()
  } finally {
    await entry.close()
  }
}

/** Letters and digits alone: nothing that a name may hold does anything where the archive is unpacked. */
function extension(name: string): string {
  const found = path.extname(name).toLowerCase()
  return /^\.[a-z0-9]{1,10}$/.test(found) ? found : ''
}

/** What such files hold does not become smaller. */
function isCompressed(name: string): boolean {
  return /\.(png|jpe?g|webp|gif|avif|heic|mp[34]|m4a|mov|webm|ogg|zip|gz|xz|7z|docx|xlsx|pptx|odt|pdf)$/.test(
    name,
  )
}

/** In the order of their names, byte by byte, wherever they lie in the folder. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    },
  )
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name)))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
