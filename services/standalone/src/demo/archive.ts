import { promisify } from 'node:util'
import yauzl, { type ZipFile } from 'yauzl'

const fromBuffer = promisify<Buffer, yauzl.Options, ZipFile>(yauzl.fromBuffer)

/** Returns the names and sizes of the files in the ZIP. */
export async function listArchive(bytes: Buffer): Promise<{ name: string; bytes: number }[]> {
  const zip = await fromBuffer(bytes, { lazyEntries: false })
  const entries: { name: string; bytes: number }[] = []
  return new Promise((resolve, reject) => {
    zip.on('entry', ({ fileName, uncompressedSize }) =>
      entries.push({ name: fileName, bytes: uncompressedSize }),
    )
    zip.on('end', () => resolve(entries))
    zip.on('error', reject)
  })
}
