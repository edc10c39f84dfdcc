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

/** The system itself: the product's functions on a database, a mail server and folders of their own. */
export interface SystemUnderTest {
  db: Db
  keys: Keys
  hasher: Hasher
  deps: HandlerDeps
  sink: SmtpSink
  /** Every log line of this run. */
  lines: string[]
  /** Where this is the view of a process that dies. */
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
    ...{ db, keys, mailer, publicUrl, stop: new AbortController().signal },
    log: createLog('debug', { write: (line: string) => void lines.push(line) }),
    snapshotPool,
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
