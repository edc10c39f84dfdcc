import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { dataMap, type Hasher, purgeExpiredSessions } from '@lethe/accounts'
import { breakerLimits, cheapHasher } from '@lethe/accounts/testing'
import { openStorage } from '@lethe/archive'
import { type Db, openSnapshotPool } from '@lethe/db'
import { deriveKeys, type Keys, openOutbox } from '@lethe/lifecycle'
import type { Test } from 'tap'
import type { HandlerDeps } from '../../src/deps.ts'
import { createLog } from '../../src/logging.ts'
import { openMailer } from '../../src/mailer.ts'
import { anyFolders } from '../setup.ts'
import { type SmtpSink, smtpSink } from '../smtp-sink.ts'
import { databaseWithClock } from './clock.ts'
import { type Cut, type CutOff, cutOff } from './cut-off.ts'
import { exportTtl } from './durations.ts'

/** The system itself: the product's functions on a database, a mail server and folders of their own. */
export interface Real {
  db: Db
  keys: Keys
  hasher: Hasher
  deps: HandlerDeps
  sink: SmtpSink
  /** Every log line of this run. */
  lines: string[]
  /** Where this is the view of a process that dies. */
  cut?: CutOff
}

export async function openReal(t: Pick<Test, 'teardown'>): Promise<Real> {
  const { db, url } = await databaseWithClock(t)
  const readers = openSnapshotPool(url, { max: 4 })
  t.teardown(() => readers.end())
  const keys = deriveKeys(randomBytes(32))
  const sink = await smtpSink(t)
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-model-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const publicUrl = 'http://lethe.test:3000'
  const mailer = openMailer(sink.url, { name: 'Lethe', address: 'no-reply@lethe.test' }, publicUrl)
  t.teardown(() => mailer.close())
  const lines: string[] = []
  const deps: HandlerDeps = {
    ...{ db, keys, mailer, publicUrl, stop: new AbortController().signal },
    log: createLog('debug', { write: (line: string) => void lines.push(line) }),
    readers,
    outbox: openOutbox(db),
    storage: openStorage(path.join(folder, 'exports')),
    folders: anyFolders,
    uploadDir: path.join(folder, 'uploads'),
    ...{ dataMap, exportTtl: exportTtl.iso },
    breakerLimits,
    purgeExpiredSessions,
    // The limits on mails are no part of a deletion's life.
    rateLimits: false,
  }
  return { db, keys, hasher: cheapHasher, deps, sink, lines }
}

/** As a process sees it that dies at a statement, or stumbles over it. */
export function cutAt(real: Real, at: Cut, recovers: boolean): Real & { cut: CutOff } {
  const cut = cutOff(real.db, at, recovers)
  return {
    ...real,
    cut,
    db: cut.db,
    deps: { ...real.deps, db: cut.db, outbox: openOutbox(cut.db) },
  }
}
