import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import yauzl, { type ZipFile } from 'yauzl'
import { readDigest, STAMP } from './zip/archive-digest.ts'
import { meter } from './zip/meter.ts'

export interface Verified {
  /** A sentence for each thing that is wrong, which names the entry; none where the archive is as it was made. */
  faults: string[]
  entries: number
  madeAt: string
}

/** Longer is no manifest: all of it is held in memory. */
const MANIFEST_AT_MOST = 64 * 1024 * 1024

/** Holds an archive, as it was downloaded, to its own manifest and to the hash that it ends with. Needs nothing else. */
export async function verifyArchive(file: string): Promise<Verified> {
  const handle = await open(file)
  try {
    const whole = await isWhole(handle)
    if (whole === undefined)
      return {
        faults: ['It does not end as an archive does: it was cut off, or is none of these.'],
        ...{ entries: 0, madeAt: '' },
      }
    const { faults, ...facts } = await verifyEntries(file)
    if (!whole && faults.length === 0)
      faults.push('Between or behind its files something was changed; each of them is as it was.')
    return { faults: faults.map(printable), ...facts }
  } finally {
    await handle.close()
  }
}

/** Names of files come from whoever made the archive, and are read in a terminal. */
const printable = (fault: string) => fault.replaceAll(/\p{Cc}/gu, '?')

/** Undefined where there is no hash to hold it to. */
async function isWhole(handle: FileHandle): Promise<boolean | undefined> {
  const { size } = await handle.stat()
  if (size <= STAMP) return undefined
  const end = await buffer(handle.createReadStream({ start: size - STAMP, autoClose: false }))
  const stamped = readDigest(end)
  if (!stamped) return undefined
  const hash = createHash('sha256')
  for await (const chunk of handle.createReadStream({
    ...{ start: 0, end: size - STAMP - 1, autoClose: false },
  }))
    hash.update(chunk as Buffer)
  return hash.digest('hex') === stamped
}

interface Told {
  name: string
  bytes: number
  sha256: string
}

async function verifyEntries(file: string): Promise<Verified> {
  const faults: string[] = []
  const found = new Map<string, Omit<Told, 'name'>>()
  let manifest: { madeAt: string; entries: Told[] } | undefined
  let zip: ZipFile | undefined
  try {
    zip = await yauzl.openPromise(file)
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileName
      if (found.has(name)) faults.push(`${name} is in it twice.`)
      try {
        const stream = await zip.openReadStreamPromise(entry)
        if (name === 'manifest.json' && entry.uncompressedSize <= MANIFEST_AT_MOST)
          manifest = readManifest(await buffer(stream), entry.crc32)
        else {
          const { add, result } = meter()
          for await (const chunk of stream) add(chunk as Buffer)
          const { bytes, sha256 } = result()
          found.set(name, { bytes, sha256: sha256.toString('hex') })
        }
      } catch {
        faults.push(`${name} cannot be unpacked.`)
        found.set(name, { bytes: -1, sha256: '' })
      }
    }
  } catch {
    faults.push('Its directory of files cannot be read.')
  } finally {
    zip?.close()
  }
  if (!manifest) {
    faults.push('manifest.json, which says what is in it, cannot be read.')
    return { faults, entries: found.size, madeAt: '' }
  }
  const told = new Map(manifest.entries.map((entry) => [entry.name, entry]))
  for (const [name, { bytes, sha256 }] of told) {
    const is = found.get(name)
    if (!is) faults.push(`${name} is missing.`)
    else if (is.bytes >= 0 && (is.bytes !== bytes || is.sha256 !== sha256))
      faults.push(`${name} is not what it was.`)
  }
  for (const name of found.keys())
    if (!told.has(name)) faults.push(`${name} was not in it when it was made.`)
  return { faults, entries: told.size, madeAt: manifest.madeAt }
}

/** Only what is as it was written is believed. */
function readManifest(bytes: Buffer, crc: number): { madeAt: string; entries: Told[] } {
  if (crc32(bytes) !== crc) throw new Error('it was changed')
  const { madeAt, entries } = JSON.parse(bytes.toString())
  if (typeof madeAt !== 'string' || !Array.isArray(entries) || !entries.every(isTold))
    throw new Error('no manifest')
  return { madeAt, entries }
}

function isTold(entry: unknown): entry is Told {
  const { name, bytes, sha256 } = (entry ?? {}) as Partial<Told>
  return typeof name === 'string' && typeof bytes === 'number' && typeof sha256 === 'string'
}
