import { constants, type FileHandle, open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { exportedFolders, type Plan } from '@lethe/erasure'
import type { AddedEntry, Zip } from '../zip/zip.ts'

export interface CollectedFile extends AddedEntry {
  /** The data map's description of its folder. */
  description: string
  /** Its original name; invalid UTF-8 is replaced. */
  wasCalled: string
}

interface FilesOptions {
  plan: Plan
  userId: number
  uploadDir: string
}

/** Adds the files of all exported folders, unchanged, numbered in the order of their names. */
export async function collectFiles(
  { plan, userId, uploadDir }: FilesOptions,
  zip: Zip,
): Promise<CollectedFile[]> {
  const collected: CollectedFile[] = []
  for (const { folder, name, description } of exportedFolders(uploadDir, plan.map, userId)) {
    const folderPath = Buffer.from(folder)
    let number = 0
    for (const bytes of await listFiles(folderPath)) {
      const wasCalled = bytes.toString()
      const file = await openIfThere(joinPath(folderPath, bytes))
      // The file was replaced or removed after the folder was listed.
      if (!file) continue
      const entryName = `files/${name}/${++number}${safeExtension(wasCalled)}`
      try {
        const added = await addFile(file, entryName, zip)
        collected.push({ ...added, description, wasCalled })
      } finally {
        await file.close()
      }
    }
  }
  return collected
}

async function addFile(file: FileHandle, name: string, zip: Zip): Promise<AddedEntry> {
  const entry = await zip.open(name, { smaller: !isCompressed(name) })
  try {
    for await (const chunk of file.createReadStream({ autoClose: false }))
      await entry.write(chunk as Buffer)
    return await entry.end()
  } finally {
    await entry.close()
  }
}

/** Only letters and digits, so that an uploaded name has no effect where the archive is unpacked. */
function safeExtension(name: string): string {
  const found = path.extname(name).toLowerCase()
  return /^\.[a-z0-9]{1,10}$/.test(found) ? found : ''
}

/** Files of these types do not become smaller. */
function isCompressed(name: string): boolean {
  return /\.(png|jpe?g|webp|gif|avif|heic|mp[34]|m4a|mov|webm|ogg|zip|gz|xz|7z|docx|xlsx|pptx|odt|pdf)$/.test(
    name,
  )
}

const slash = Buffer.from('/')
const joinPath = (folder: Buffer, name: Buffer) => Buffer.concat([folder, slash, name])

/** The files at all depths, sorted by path. Paths are bytes, because a file system does not require UTF-8. */
async function listFiles(folder: Buffer): Promise<Buffer[]> {
  const found: Buffer[] = []
  const look = async (at: Buffer, name?: Buffer) => {
    const entries = await readdir(at, { withFileTypes: true, encoding: 'buffer' }).catch(
      (error: NodeJS.ErrnoException) => {
        // The folder was removed meanwhile, or nothing was ever uploaded.
        if (error.code === 'ENOENT') return []
        throw error
      },
    )
    for (const entry of entries) {
      const below = name ? joinPath(name, entry.name) : entry.name
      if (entry.isDirectory()) await look(joinPath(at, entry.name), below)
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
