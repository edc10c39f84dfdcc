import { createCipheriv, randomBytes } from 'node:crypto'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Holds an entry that cannot be written yet: a ZIP contains one file after the other. */
export interface Spool {
  write(chunk: Buffer): Promise<void>
  /** Reads everything that was written. */
  read(): AsyncIterable<Buffer>
  close(): Promise<void>
}

/**
 * A temporary file that is unlinked at once, so it disappears when the process ends in any way. It is encrypted with a key
 * that exists only in memory, so no personal data remains on the disk.
 */
export async function openSpool(): Promise<Spool> {
  const name = path.join(tmpdir(), `lethe-${randomBytes(8).toString('hex')}`)
  const file = await open(name, 'wx+', 0o600)
  await unlink(name)
  const [key, counter] = [randomBytes(32), Buffer.alloc(16)]
  const cipher = () => createCipheriv('aes-256-ctr', key, counter)
  const sealing = cipher()
  return {
    write: (chunk) => file.appendFile(sealing.update(chunk)),
    async *read() {
      const opening = cipher()
      for await (const chunk of file.createReadStream({
        start: 0,
        autoClose: false,
        highWaterMark: 64 * 1024,
      }))
        yield opening.update(chunk as Buffer)
    },
    close: () => file.close(),
  }
}
