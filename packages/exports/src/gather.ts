import { openAvatar } from './avatar.ts'
import { type Format, formats } from './formats.ts'
import { type Kind, kinds } from './kinds.ts'
import { alwaysLeftOut, avatarMissing, type Manifest, manifestText } from './manifest.ts'
import { readme } from './readme.ts'
import type { Snapshot } from './snapshot.ts'
import type { Add } from './zip.ts'

export interface GatherOptions {
  userId: number
  uploadDir: string
  /** When the account is erased, for the README. */
  eraseAfter: Date
}

/** Adds everything that is the person's, entry by entry, and last the manifest of what was added. */
export async function gather(
  { tx, takenAt: madeAt }: Snapshot,
  options: GatherOptions,
  add: Add,
): Promise<void> {
  const { userId, uploadDir, eraseAfter } = options
  const manifest: Manifest = {
    formatVersion: 1,
    madeAt,
    userId,
    entries: [],
    leftOut: [...alwaysLeftOut],
  }

  async function addText(name: string, text: string) {
    return await add({ name, mtime: madeAt, content: [Buffer.from(text)] })
  }

  async function addTable(kind: Kind, format: Format) {
    let rows = 0
    async function* counted() {
      for await (const row of kind.rows(tx, userId)) {
        rows++
        yield row
      }
    }
    const name = `${kind.name}.${format.extension}`
    const content = format.write(kind.columns, counted())
    const added = await add({ name, mtime: madeAt, content })
    manifest.entries.push({ ...added, rows })
    return rows
  }

  async function addAvatar() {
    const avatar = await openAvatar(tx, userId, uploadDir)
    if (!avatar) return
    const { name, file } = avatar
    if (!file) return void manifest.leftOut.push(avatarMissing)
    try {
      const content = file.createReadStream()
      manifest.entries.push(await add({ name, mtime: madeAt, content, compress: false }))
    } finally {
      await file.close()
    }
  }

  const about = readme({ madeAt, eraseAfter })
  manifest.entries.push(await addText('README.txt', about))
  for (const kind of kinds) {
    for (const format of formats) {
      const rows = await addTable(kind, format)
      if (kind.name === 'profile' && rows === 0)
        throw new Error('There is no such account any more')
    }
  }
  await addAvatar()
  await addText('manifest.json', manifestText(manifest))
}
