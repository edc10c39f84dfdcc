import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { type Bucket, openBucket } from '../storage/bucket.ts'

/** The name of the mark, in a folder or behind the prefix of a bucket. */
export const MARK_NAME = '.lethe-database'

export interface MarkPlace {
  /** Undefined where there is none. */
  read(): Promise<string | undefined>
  /** Does nothing where there is one. */
  create(text: string): Promise<void>
  replace(text: string): Promise<void>
}

/** `where` is a folder, or the `s3:` URL of a bucket. */
export function openMarkPlace(where: string): MarkPlace {
  return where.startsWith('s3:') ? inBucket(openBucket(where)) : inFolder(where)
}

const READ_TRIES = 20
const READ_PAUSE_MS = 50

function inFolder(folder: string): MarkPlace {
  const file = path.join(folder, MARK_NAME)
  const read = async () => {
    for (let tries = 0; ; tries++) {
      const text = await readFile(file, 'utf8').catch(undefinedIfMissing)
      // Another process has made it, and is writing it at this moment.
      if (text !== '') return text
      // Or died before it wrote a byte: that mark says nothing.
      if (tries === READ_TRIES) return undefined
      await wait(READ_PAUSE_MS)
    }
  }
  const replace = async (text: string) => {
    await makeFolder(folder)
    const aside = `${file}.${randomUUID()}`
    try {
      await writeFile(aside, text, { flag: 'wx', mode: 0o600, flush: true })
      await rename(aside, file)
    } finally {
      await rm(aside, { force: true })
    }
  }
  return {
    read,
    async create(text) {
      await makeFolder(folder)
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

/** Its owner's alone where it is made here; one that is there keeps its rights. */
async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (made !== undefined) await chmod(folder, 0o700)
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function inBucket(bucket: Bucket): MarkPlace {
  const goesOn = new AbortController().signal
  const put = (text: string) =>
    bucket.put(MARK_NAME, goesOn, async (sink) => void sink.end(Buffer.from(text)))
  const read = async () => {
    const stored = await bucket.open(MARK_NAME)
    return stored && String(await buffer(stored.read(0, stored.size - 1)))
  }
  return {
    read,
    async create(text) {
      // `put` overwrites nothing; where another process was first, its mark is there.
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
