import { constants, type FileHandle, open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { exportedFolders, type Plan } from '@lethe/erasure'
import type { Added, Zip } from '../zip/zip.ts'

export interface CollectedFile extends Added {
  /** What lies in its folder. */
  is: string
  /** Its name before; what of it is no UTF-8 is replaced. */
  wasCalled: string
}

interface FilesOptions {
  plan: Plan
  userId: number
  uploadDir: string
}

/** Adds the files of all exported folders, as they are, numbered in the order of their names. */
export async function collectFiles(
  { plan, userId, uploadDir }: FilesOptions,
  zip: Zip,
): Promise<CollectedFile[]> {
  const gathered: CollectedFile[] = []
  for (const { folder, name, is } of exportedFolders(uploadDir, plan.map, userId)) {
    const at = Buffer.from(folder)
    let number = 0
    for (const bytes of await filesIn(at)) {
      const wasCalled = bytes.toString()
      const file = await openIfThere(beside(at, bytes))
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

const slash = Buffer.from('/')
const beside = (folder: Buffer, name: Buffer) => Buffer.concat([folder, slash, name])

/** In the order of their names, wherever they lie in the folder. As bytes: a file system asks for no UTF-8. */
async function filesIn(folder: Buffer): Promise<Buffer[]> {
  const found: Buffer[] = []
  const look = async (at: Buffer, name?: Buffer) => {
    const entries = await readdir(at, { withFileTypes: true, encoding: 'buffer' }).catch(
      (error: NodeJS.ErrnoException) => {
        // Removed meanwhile, or nothing was ever uploaded.
        if (error.code === 'ENOENT') return []
        throw error
      },
    )
    for (const entry of entries) {
      const below = name ? beside(name, entry.name) : entry.name
      if (entry.isDirectory()) await look(beside(at, entry.name), below)
      else if (entry.isFile()) found.push(below)
    }
  }
  await look(folder)
  return found.sort(Buffer.compare)
}

async function openIfThere(file: Buffer): Promise<FileHandle | undefined> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
