import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import yauzl, { type ZipFile } from 'yauzl'
import { DIGEST_BYTES, readDigest } from './zip/archive-digest.ts'
import { createMeter } from './zip/meter.ts'

export interface VerificationResult {
  /** One sentence for each fault, naming the entry. Empty if the archive is unchanged. */
  faults: string[]
  entries: number
  madeAt: string
}

/** The manifest is read into memory, so a larger one is rejected. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024

/** Checks a downloaded archive against its own manifest and the hash at its end. Works offline, with the file alone. */
export async function verifyArchive(file: string): Promise<VerificationResult> {
  const handle = await open(file)
  try {
    const whole = await matchesDigest(handle)
    if (whole === undefined)
      return {
        faults: ['It does not end like an archive: it was cut off, or it is another kind of file.'],
        entries: 0,
        madeAt: '',
      }
    const { faults, ...facts } = await verifyEntries(file)
    if (!whole && faults.length === 0)
      faults.push(
        'Something between or after its files was changed; the files themselves are unchanged.',
      )
    return { faults: faults.map(replaceControlCharacters), ...facts }
  } finally {
    await handle.close()
  }
}

/** File names come from the archive, so they are not trusted, and the faults are printed to a terminal. */
const replaceControlCharacters = (fault: string) => fault.replaceAll(/\p{Cc}/gu, '?')

/** Undefined if the file does not end with a hash. */
async function matchesDigest(handle: FileHandle): Promise<boolean | undefined> {
  const { size } = await handle.stat()
  if (size <= DIGEST_BYTES) return undefined
  const end = await buffer(
    handle.createReadStream({ start: size - DIGEST_BYTES, autoClose: false }),
  )
  const expectedHash = readDigest(end)
  if (!expectedHash) return undefined
  const hash = createHash('sha256')
  for await (const chunk of handle.createReadStream({
    start: 0,
    end: size - DIGEST_BYTES - 1,
    autoClose: false,
  }))
    hash.update(chunk as Buffer)
  return hash.digest('hex') === expectedHash
}

interface ManifestEntry {
  name: string
  bytes: number
  sha256: string
}

async function verifyEntries(file: string): Promise<VerificationResult> {
  const faults: string[] = []
  const found = new Map<string, Omit<ManifestEntry, 'name'>>()
  let manifest: { madeAt: string; entries: ManifestEntry[] } | undefined
  let zip: ZipFile | undefined
  try {
    zip = await yauzl.openPromise(file)
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileName
      if (found.has(name)) faults.push(`${name} is in the archive twice.`)
      try {
        const stream = await zip.openReadStreamPromise(entry)
        if (name === 'manifest.json' && entry.uncompressedSize <= MAX_MANIFEST_BYTES)
          manifest = readManifest(await buffer(stream), entry.crc32)
        else {
          const { add, result } = createMeter()
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
    faults.push('The list of its files cannot be read.')
  } finally {
    zip?.close()
  }
  if (!manifest) {
    faults.push('manifest.json, the list of contents, cannot be read.')
    return { faults, entries: found.size, madeAt: '' }
  }
  const expected = new Map(manifest.entries.map((entry) => [entry.name, entry]))
  for (const [name, { bytes, sha256 }] of expected) {
    const actual = found.get(name)
    if (!actual) faults.push(`${name} is missing.`)
    else if (actual.bytes >= 0 && (actual.bytes !== bytes || actual.sha256 !== sha256))
      faults.push(`${name} was changed.`)
  }
  for (const name of found.keys())
    if (!expected.has(name)) faults.push(`${name} was added after the archive was made.`)
  return { faults, entries: expected.size, madeAt: manifest.madeAt }
}

/** Trusts the manifest only if its checksum matches. */
function readManifest(bytes: Buffer, crc: number): { madeAt: string; entries: ManifestEntry[] } {
  if (crc32(bytes) !== crc) throw new Error('the checksum of the manifest does not match')
  const { madeAt, entries } = JSON.parse(bytes.toString())
  if (typeof madeAt !== 'string' || !Array.isArray(entries) || !entries.every(isManifestEntry))
    throw new Error('not a manifest')
  return { madeAt, entries }
}

function isManifestEntry(entry: unknown): entry is ManifestEntry {
  const { name, bytes, sha256 } = (entry ?? {}) as Partial<ManifestEntry>
  return typeof name === 'string' && typeof bytes === 'number' && typeof sha256 === 'string'
}
