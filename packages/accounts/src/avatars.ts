import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Db, Tx } from '@lethe/db'
import { picturesFolder } from './data-map.ts'
import { AccountError } from './errors.ts'

export type ImageType = 'image/png' | 'image/jpeg' | 'image/webp'

const fileExtensions: Record<ImageType, string> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/webp': 'webp',
}

/** Detects the image type from the bytes, because a file name or a header may be wrong. */
export function detectImageType(body: Buffer): ImageType | undefined {
  if (body.subarray(0, 8).equals(Buffer.from('89504e470d0a1a0a', 'hex'))) return 'image/png'
  if (body.subarray(0, 3).equals(Buffer.from('ffd8ff', 'hex'))) return 'image/jpeg'
  if (body.toString('latin1', 0, 4) === 'RIFF' && body.toString('latin1', 8, 12) === 'WEBP')
    return 'image/webp'
  return undefined
}

/** Writes the file while it holds the lock on the active user, so an upload cannot finish after a deletion begins. */
export async function putAvatar(
  db: Db,
  uploadDir: string,
  userId: number,
  avatar: { type: ImageType; body: Buffer },
): Promise<void> {
  const fileName = `${crypto.randomUUID()}.${fileExtensions[avatar.type]}`
  const folder = picturesFolder(uploadDir, userId)
  await db.transaction().execute(async (tx) => {
    if (!(await lockActive(tx, userId))) throw new AccountError('unauthenticated')
    await writeAtomically(folder, fileName, avatar.body)
    const row = { file_name: fileName, content_type: avatar.type, bytes: avatar.body.length }
    await tx
      .insertInto('avatars')
      .values({ user_id: userId, ...row })
      .onConflict((conflict) => conflict.column('user_id').doUpdateSet(row))
      .execute()
  })
  await sweepFolder(db, folder, userId)
}

export async function findAvatar(
  db: Db,
  uploadDir: string,
  userId: number,
): Promise<{ path: string; type: ImageType; bytes: number }> {
  const avatar = await db
    .selectFrom('avatars')
    .select(['file_name', 'content_type as type', 'bytes'])
    .where('user_id', '=', userId)
    .executeTakeFirst()
  if (!avatar) throw new AccountError('avatar-not-found')
  const { file_name, ...rest } = avatar
  return { path: path.join(picturesFolder(uploadDir, userId), file_name), ...rest }
}

export async function removeAvatar(db: Db, uploadDir: string, userId: number): Promise<void> {
  await db.transaction().execute(async (tx) => {
    if (!(await lockActive(tx, userId))) throw new AccountError('unauthenticated')
    const { numDeletedRows } = await tx
      .deleteFrom('avatars')
      .where('user_id', '=', userId)
      .executeTakeFirst()
    if (numDeletedRows === 0n) throw new AccountError('avatar-not-found')
  })
  await sweepFolder(db, picturesFolder(uploadDir, userId), userId)
}

/** The exclusive lock orders two uploads of one person, and puts a deletion before or after both. */
async function lockActive(tx: Tx, userId: number): Promise<boolean> {
  const user = await tx
    .selectFrom('active_users')
    .select('id')
    .where('id', '=', userId)
    .forNoKeyUpdate()
    .executeTakeFirst()
  return user !== undefined
}

async function writeAtomically(folder: string, fileName: string, body: Buffer): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = path.join(folder, `${fileName}.part`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(body)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path.join(folder, fileName))
}

/**
 * Removes files that the row does not name: an older picture, or one whose transaction failed. It does nothing once a
 * deletion has begun, because the erasure removes the whole folder.
 */
async function sweepFolder(db: Db, folder: string, userId: number): Promise<void> {
  await db.transaction().execute(async (tx) => {
    if (!(await lockActive(tx, userId))) return
    const avatar = await tx
      .selectFrom('avatars')
      .select('file_name')
      .where('user_id', '=', userId)
      .executeTakeFirst()
    for (const name of await readdir(folder).catch(() => []))
      if (name !== avatar?.file_name) await rm(path.join(folder, name), { force: true })
  })
}
