import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { writeDigest } from './archive-digest.ts'
import { createDeflater, type DeflatedContent, deflateSmall, type Packed } from './deflate.ts'
import { openSpool } from './spool.ts'
import { writeTo } from './write-to.ts'
import {
  centralHeader,
  dataDescriptor,
  type EntryFacts,
  endRecords,
  localHeader,
} from './zip-format.ts'

// Not a library, because it must add content that is already deflated, use Node's own checksums and end the archive with its
// hash. The tests read the result with a library.

export interface AddedEntry {
  name: string
  bytes: number
  sha256: string
}

export interface WrittenZip {
  bytes: number
  /** The hash of the complete archive. */
  sha256: Buffer
}

export interface Zip {
  /** Adds a small entry. Content that many archives share can be deflated once and passed here. */
  add(name: string, content: Buffer | DeflatedContent): Promise<AddedEntry>
  /** Opens an entry to stream into. No other entry can be added until it ends. */
  open(name: string, options?: { smaller?: boolean }): Promise<OpenEntry>
  /** Opens a second entry that can be written at the same time. It is added when it ends, which must be after the first. */
  openBeside(name: string): Promise<OpenEntry>
}

export interface OpenEntry {
  write(chunk: Buffer): Promise<void>
  end(): Promise<AddedEntry>
  /** Releases its resources, whether it ended or not. */
  close(): Promise<void>
}

/**
 * Writes a ZIP of what `fill` adds. `openZip` takes the timestamp of all entries. Content is taken only as fast as the sink
 * takes it. The directory, without which a ZIP cannot be read, is written only after `fill` has succeeded.
 */
export async function writeZip(
  sink: Writable,
  fill: (openZip: (time: Date) => Zip) => Promise<void>,
): Promise<WrittenZip> {
  const hash = createHash('sha256')
  const entries: EntryFacts[] = []
  let offset = 0
  const put = async (chunk: Buffer) => {
    hash.update(chunk)
    offset += chunk.length
    await writeTo(sink, chunk)
  }
  const recordEntry = (entry: EntryFacts, { sha256, ...facts }: Packed): AddedEntry => {
    Object.assign(entry, facts)
    entries.push(entry)
    return { name: entry.name, bytes: facts.bytes, sha256: sha256.toString('hex') }
  }
  await fill((mtime) => createZip({ put, recordEntry, offset: () => offset }, mtime))
  const directory = offset
  for (const entry of entries) await put(centralHeader(entry))
  await put(endRecords(entries.length, offset - directory, directory))
  await put(writeDigest(hash.copy().digest()))
  sink.end()
  await finished(sink, { readable: false })
  return { bytes: offset, sha256: hash.digest() }
}

interface ZipTarget {
  put(chunk: Buffer): Promise<void>
  recordEntry(entry: EntryFacts, packed: Packed): AddedEntry
  offset(): number
}

function createZip({ put, recordEntry, offset }: ZipTarget, mtime: Date): Zip {
  const unknown = { crc: 0, bytes: 0, packed: 0 }
  const begin = async (name: string) => {
    const facts = { name, mtime, deflated: true, streamed: true, offset: offset(), ...unknown }
    await put(localHeader(facts))
    return facts
  }
  const end = async (entry: EntryFacts, packed: Packed) => {
    const added = recordEntry(entry, packed)
    await put(dataDescriptor(entry))
    return added
  }
  return {
    async add(name, content) {
      const small = Buffer.isBuffer(content) ? deflateSmall(content) : content
      const { body, deflated, ...packed } = small
      const entry = { name, mtime, deflated, streamed: false, offset: offset(), ...packed }
      await put(Buffer.concat([localHeader(entry), body]))
      return recordEntry(entry, packed)
    },
    async open(name, options) {
      const entry = await begin(name)
      const deflate = createDeflater(put, options)
      return {
        write: deflate.write,
        end: async () => end(entry, await deflate.end()),
        close: async () => deflate.destroy(),
      }
    },
    async openBeside(name) {
      const spool = await openSpool()
      const deflate = createDeflater(spool.write)
      return {
        write: deflate.write,
        async end() {
          const packed = await deflate.end()
          const entry = await begin(name)
          for await (const chunk of spool.read()) await put(chunk)
          return end(entry, packed)
        },
        async close() {
          deflate.destroy()
          await spool.close()
        },
      }
    },
  }
}
