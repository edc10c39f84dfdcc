import { buffer } from 'node:stream/consumers'
import { openPromise } from 'yauzl'

/** The entries of a ZIP in their order, unpacked; a wrong size or checksum is an error. */
export async function unzip(file: string): Promise<Map<string, Buffer>> {
  const zip = await openPromise(file)
  const entries = new Map<string, Buffer>()
  for await (const entry of zip.eachEntry()) {
    entries.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)))
  }
  return entries
}
