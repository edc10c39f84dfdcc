import { constants, type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'
import type { Tx } from '@lethe/db'
import { personFolder } from '@lethe/erasure'
import { isMissing } from './folder.ts'

interface Avatar {
  /** Its name in the archive. */
  name: string
  /** The image, open; nothing when the row is there and the file is not. */
  file: FileHandle | undefined
}

/** The person's picture; undefined where there is none. Whoever gets it closes the file. */
export async function openAvatar(
  tx: Tx,
  userId: number,
  uploadDir: string,
): Promise<Avatar | undefined> {
  const row = await tx
    .selectFrom('avatars')
    .select('file_name')
    .where('user_id', '=', userId)
    .executeTakeFirst()
  if (!row) return
  const name = `avatar${path.extname(row.file_name)}`
  return { name, file: await openUpload(uploadDir, userId, row.file_name) }
}

async function openUpload(uploadDir: string, userId: number, fileName: string) {
  if (path.basename(fileName) !== fileName) throw new Error('The avatar lies outside its folder')
  const file = path.join(personFolder(uploadDir, '{person}', userId), fileName)
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (isMissing(error)) return
    throw error
  }
}
