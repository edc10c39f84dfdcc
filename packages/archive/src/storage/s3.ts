import { assertArchiveName, isArchiveName } from '../names.ts'
import { openBucket } from './bucket.ts'
import type { Storage } from './storage.ts'

/**
 * Stores archives as objects of a bucket, with multipart uploads: the object exists only after the upload is completed.
 * The upload of a process that died is listed and removed like a partial file.
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
