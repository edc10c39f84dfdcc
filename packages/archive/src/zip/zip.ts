import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { writeDigest } from './archive-digest.ts'
import { deflateSmall, deflating, type Packed, type Small } from './deflate.ts'
import { openSpool } from './spool.ts'
import { writeTo } from './write-to.ts'
import {
  centralHeader,
  dataDescriptor,
  type EntryFacts,
  endRecords,
  localHeader,
} from './zip-format.ts'

// Our own writer and not a library's: what is deflated elsewhere goes in as it is, checksums are the platform's own, and the
// archive ends with its hash. A reader of somebody else's opens what it wrote, in every test.

export interface Added {
  name: string
  bytes: number
  sha256: string
}

export interface Written {
  bytes: number
  /** Of the whole archive. */
  sha256: Buffer
}

export interface Zip {
  /** Puts a small entry in at once; what is put into many archives need be deflated only once. */
  add(name: string, content: Buffer | Small): Promise<Added>
  /** An entry that is written bit by bit; nothing else can be put in until it has ended. */
  open(name: string, options?: { smaller?: boolean }): Promise<OpenEntry>
  /** Another one, which can be written beside it, and goes in when it ends, after that one. */
  openBeside(name: string): Promise<OpenEntry>
}

export interface OpenEntry {
  write(chunk: Buffer): Promise<void>
  end(): Promise<Added>
  /** Lets go of it, with or without an end. */
  close(): Promise<void>
}

/**
 * Writes a ZIP of what `fill` puts in, with a time for all of it, and tells what it came to. Content is taken only as fast as
 * the sink takes it. The ZIP has its directory, and so can be read, only after `fill` has succeeded.
 */
export async function writeZip(
  sink: Writable,
  fill: (zipOf: (time: Date) => Zip) => Promise<void>,
): Promise<Written> {
  const hash = createHash('sha256')
  const entries: EntryFacts[] = []
  let offset = 0
  const put = async (chunk: Buffer) => {
    hash.update(chunk)
    offset += chunk.length
    await writeTo(sink, chunk)
  }
  const enter = (entry: EntryFacts, { sha256, ...facts }: Packed): Added => {
    Object.assign(entry, facts)
    entries.push(entry)
    return { name: entry.name, bytes: facts.bytes, sha256: sha256.toString('hex') }
  }
  await fill((mtime) => zipInto({ put, enter, offset: () => offset }, mtime))
  const directory = offset
  for (const entry of entries) await put(centralHeader(entry))
  await put(endRecords(entries.length, offset - directory, directory))
  await put(writeDigest(hash.copy().digest()))
  sink.end()
  await finished(sink, { readable: false })
  return { bytes: offset, sha256: hash.digest() }
}

interface Into {
  put(chunk: Buffer): Promise<void>
  enter(entry: EntryFacts, packed: Packed): Added
  offset(): number
}

function zipInto({ put, enter, offset }: Into, mtime: Date): Zip {
  const unknown = { crc: 0, bytes: 0, packed: 0 }
  const begin = async (name: string) => {
    const facts = { name, mtime, deflated: true, streamed: true, offset: offset(), ...unknown }
    await put(localHeader(facts))
    return facts
  }
  const end = async (entry: EntryFacts, packed: Packed) => {
    const added = enter(entry, packed)
    await put(dataDescriptor(entry))
    return added
  }
  return {
    async add(name, content) {
      const small = Buffer.isBuffer(content) ? deflateSmall(content) : content
      const { body, deflated, ...packed } = small
      const entry = { name, mtime, deflated, streamed: false, offset: offset(), ...packed }
      await put(Buffer.concat([localHeader(entry), body]))
      return enter(entry, packed)
    },
    async open(name, options) {
      const entry = await begin(name)
      const deflate = deflating(put, options)
      return {
        write: deflate.write,
        end: async () => end(entry, await deflate.end()),
        close: async () => deflate.destroy(),
      }
    },
    async openBeside(name) {
      const spool = await openSpool()
      const deflate = deflating(spool.write)
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
