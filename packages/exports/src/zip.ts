import { Readable, type Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { ZipFile } from 'yazl'
import { meter } from './meter.ts'
import { type Stamped, stampDigest } from './stamp-digest.ts'

export interface Entry {
  name: string
  mtime: Date
  content: AsyncIterable<Buffer> | Buffer
  /** `false` for what is compressed already. */
  compress?: boolean
}

export interface Added {
  name: string
  bytes: number
  sha256: string
}

/** Puts one entry in, and answers when its last byte has been read. One at a time. */
export type Add = (entry: Entry) => Promise<Added>

/**
 * Writes a ZIP of what `fill` adds, and tells what it came to. Content is read only as fast as the sink takes it.
 * The ZIP is closed, and so readable, only after `fill` has succeeded. Settles when nothing is at work any more.
 */
export async function writeZip(
  sink: Writable,
  signal: AbortSignal,
  fill: (add: Add) => Promise<void>,
): Promise<Stamped> {
  const zip = new ZipFile()
  const output = zip.outputStream as Readable
  const stamp = stampDigest()
  const filled = fill((entry) => addEntry(zip, output, entry)).then(
    () => zip.end(),
    (error) => void output.destroy(error),
  )
  try {
    await pipeline(output, stamp, sink, { signal })
  } finally {
    await filled
  }
  return stamp.result()
}

async function addEntry(zip: ZipFile, output: Readable, entry: Entry): Promise<Added> {
  const { name, mtime, content, compress = true } = entry
  if (output.destroyed) throw new Error('The archive is closed')
  const options = { mtime, compressionLevel: compress ? 1 : 0, mode: 0o100600 }
  const { add, result } = meter()
  if (Buffer.isBuffer(content)) {
    add(content)
    zip.addBuffer(content, name, options)
  } else {
    const source = Readable.from(passing(content, add), { objectMode: false })
    // yazl only pipes: it neither notices a source that fails nor ends one whose output is gone.
    const stop = () => source.destroy()
    output.once('close', stop)
    try {
      zip.addReadStream(source, name, options)
      await finished(source)
    } finally {
      output.off('close', stop)
    }
  }
  const { bytes, sha256 } = result()
  return { name, bytes, sha256: sha256.toString('hex') }
}

async function* passing(content: AsyncIterable<Buffer>, add: (chunk: Buffer) => void) {
  for await (const chunk of content) {
    add(chunk)
    yield chunk
  }
}
