import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { type Bucket, openBucket } from '../storage/bucket.ts'

/** The file name of the mark, in a folder or below the prefix of a bucket. */
export const MARK_NAME = '.lethe-database'

export interface MarkStore {
  /** Undefined if there is no mark. */
  read(): Promise<string | undefined>
  /** Does nothing if there is a mark. */
  create(text: string): Promise<void>
  replace(text: string): Promise<void>
}

/** `where` is a folder, or the `s3:` URL of a bucket. */
export function openMarkStore(where: string): MarkStore {
  return where.startsWith('s3:') ? bucketMarkStore(openBucket(where)) : folderMarkStore(where)
}

const MAX_READ_ATTEMPTS = 20
const READ_INTERVAL_MS = 50

function folderMarkStore(folder: string): MarkStore {
  const file = path.join(folder, MARK_NAME)
  const read = async () => {
    for (let tries = 0; ; tries++) {
      const text = await readFile(file, 'utf8').catch(undefinedIfMissing)
      // An empty file: another process has created the mark and is still writing it.
      if (text !== '') return text
      // It died before it wrote anything, so there is no mark.
      if (tries === MAX_READ_ATTEMPTS) return undefined
      await wait(READ_INTERVAL_MS)
    }
  }
  const replace = async (text: string) => {
    await ensureFolder(folder)
    const temporary = `${file}.${randomUUID()}`
    try {
      await writeFile(temporary, text, { flag: 'wx', mode: 0o600, flush: true })
      await rename(temporary, file)
    } finally {
      await rm(temporary, { force: true })
    }
  }
  return {
    read,
    async create(text) {
      await ensureFolder(folder)
      try {
        await writeFile(file, text, { flag: 'wx', mode: 0o600, flush: true })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        if ((await read()) === undefined) await replace(text)
      }
    },
    replace,
  }
}

/** Creates the folder with access for its owner only; an existing folder keeps its permissions. */
async function ensureFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (made !== undefined) await chmod(folder, 0o700)
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function bucketMarkStore(bucket: Bucket): MarkStore {
  const neverAborted = new AbortController().signal
  const put = (text: string) =>
    bucket.put(MARK_NAME, neverAborted, async (sink) => void sink.end(Buffer.from(text)))
  const read = async () => {
    const stored = await bucket.open(MARK_NAME)
    return stored && String(await buffer(stored.read(0, stored.size - 1)))
  }
  return {
    read,
    async create(text) {
      // `put` overwrites nothing: if it failed because another process was first, that mark exists.
      await put(text).catch(async (error) => {
        if ((await read()) === undefined) throw error
      })
    },
    async replace(text) {
      await bucket.removeOne(MARK_NAME)
      await put(text)
    },
  }
}
