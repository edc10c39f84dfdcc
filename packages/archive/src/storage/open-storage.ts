import { folderStorage } from './folder.ts'
import { s3Storage } from './s3.ts'
import type { Storage } from './storage.ts'

/** `where` is what EXPORT_DIR says: a folder, or `s3://BUCKET/PREFIX?endpoint=…&region=…`. */
export function openStorage(where: string): Storage {
  return where.startsWith('s3:') ? s3Storage(where) : folderStorage(where)
}
