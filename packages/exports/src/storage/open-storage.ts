import { folderStorage } from './folder.ts'
import type { Storage } from './storage.ts'

/** `where` is what EXPORT_DIR says: a folder. */
export function openStorage(where: string): Storage {
  return folderStorage(where)
}
