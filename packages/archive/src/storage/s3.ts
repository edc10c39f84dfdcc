import { assertArchiveName, isArchiveName } from '../names.ts'
import { openBucket } from './bucket.ts'
import type { Storage } from './storage.ts'

/**
 * Archives as objects of a bucket. Each is uploaded in parts, and no object before the server was told that these were all;
 * an upload that its process did not live to end is listed and removed as what was begun.
 */
export function s3Storage(url: string): Storage {
  const bucket = openBucket(url)
  return {
    async put(name, signal, write) {
      assertArchiveName(name)
      await bucket.put(name, signal, write)
    },
    async open(name) {
      assertArchiveName(name)
      return bucket.open(name)
    },
    async modifiedAt(name) {
      assertArchiveName(name)
      return bucket.modifiedAt(name)
    },
    async remove(names) {
      names.forEach(assertArchiveName)
      await bucket.remove(names)
    },
    async *list() {
      for await (const names of bucket.list()) {
        const archives = names.filter(isArchiveName)
        if (archives.length > 0) yield archives
      }
    },
  }
}
