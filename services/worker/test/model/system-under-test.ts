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
import { createDbWithClock } from './clock.ts'
import { exportTtl } from './durations.ts'
import { createFailingDb, type FailingDb, type FailurePoint } from './failing-db.ts'

/** The product's functions with their own database, mail server and folders. */
export interface SystemUnderTest {
  db: Db
  keys: Keys
  hasher: Hasher
  deps: HandlerDeps
  sink: SmtpSink
  /** Every log line of this run. */
  lines: string[]
  /** Set if one statement of this database fails. */
  failingDb?: FailingDb
}

export async function openSystemUnderTest(t: Pick<Test, 'teardown'>): Promise<SystemUnderTest> {
  const { db, url } = await createDbWithClock(t)
  const snapshotPool = openSnapshotPool(url, { max: 4 })
  t.teardown(() => snapshotPool.end())
  const keys = deriveKeys(randomBytes(32))
  const sink = await smtpSink(t)
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-model-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const publicUrl = 'http://lethe.test:3000'
  const mailer = openMailer(sink.url, { name: 'Lethe', address: 'no-reply@lethe.test' }, publicUrl)
  t.teardown(() => mailer.close())
  const lines: string[] = []
  const deps: HandlerDeps = {
    db,
    keys,
    mailer,
    publicUrl,
    stop: new AbortController().signal,
    log: createLog('debug', { write: (line: string) => void lines.push(line) }),
    snapshotPool,
    outbox: openOutbox(db),
    storage: openStorage(path.join(folder, 'exports')),
    folders: anyFolders,
    uploadDir: path.join(folder, 'uploads'),
    dataMap,
    exportTtl: exportTtl.iso,
    breakerLimits,
    purgeExpiredSessions,
    // The model does not cover the limits on mails.
    rateLimits: false,
  }
  return { db, keys, hasher: cheapHasher, deps, sink, lines }
}

/** The system as seen by a process that crashes at a statement or, if it `recovers`, gets an error from it. */
export function withFailureAt(
  system: SystemUnderTest,
  at: FailurePoint,
  recovers: boolean,
): SystemUnderTest & { failingDb: FailingDb } {
  const failingDb = createFailingDb(system.db, at, recovers)
  return {
    ...system,
    failingDb,
    db: failingDb.db,
    deps: { ...system.deps, db: failingDb.db, outbox: openOutbox(failingDb.db) },
  }
}
