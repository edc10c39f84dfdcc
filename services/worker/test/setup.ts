import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { dataMap, purgeExpiredSessions, requestDeletion } from '@lethe/accounts'
import {
  breakerLimits,
  createTestContext,
  type Person,
  password,
  type TestContext,
} from '@lethe/accounts/testing'
import { type FolderGuard, openStorage } from '@lethe/archive'
import { openSnapshotPool } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import {
  type Deletion,
  dispatchBatch,
  dispatchEach,
  mayBeClaimed,
  openOutbox,
} from '@lethe/lifecycle'
import type { OpenQueue } from '@lethe/queue'
import { sql } from 'kysely'
import type { Test } from 'tap'
import type { HandlerDeps } from '../src/deps.ts'
import { createLog } from '../src/logging.ts'
import { openMailer } from '../src/mailer.ts'
import { type SmtpSink, smtpSink } from './smtp-sink.ts'

export const publicUrl = 'http://lethe.test:3000'

/** A guard that accepts all folders, for tests with their own. */
export const anyFolders: FolderGuard = {
  start: async () => undefined,
  findProblem: async () => undefined,
}

/** A queue for tasks that publish no jobs. */
export const noQueue = {} as OpenQueue

export interface WorkerContext extends TestContext {
  databaseUrl: string
  sink: SmtpSink
  deps: HandlerDeps
  /** The files in the archive storage, complete or not. */
  stored(): Promise<string[]>
  exportDir: string
  /** All log lines. */
  lines: string[]
  /** Aborts when the worker stops. */
  stop: AbortController
  /** Requests the deletion of a person with their own session. */
  deletion(person: Person, eraseNow?: boolean): Promise<Deletion>
  /** Leases the one mail of this kind, as the relay would. */
  dispatchMail(mail: string): Promise<string>
  /** Leases all deletions that are due, as the sweep would. */
  dispatchDeletions(): Promise<string | undefined>
}

/** Creates what handlers need: a database for this test, an SMTP server, folders and a log. */
export async function createWorkerContext(
  t: Test,
  { gracePeriod = 'P27D' } = {},
): Promise<WorkerContext> {
  const { db, url: databaseUrl } = await testDb(t)
  const base = await createTestContext(db, gracePeriod)
  const sink = await smtpSink(t)
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-worker-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const mailer = openMailer(sink.url, { name: 'Lethe', address: 'no-reply@lethe.test' }, publicUrl)
  t.teardown(() => mailer.close())
  const lines: string[] = []
  const exportDir = path.join(folder, 'exports')
  const stop = new AbortController()
  const uploadDir = path.join(folder, 'uploads')
  const log = createLog('debug', { write: (line: string) => void lines.push(line) })
  const snapshotPool = openSnapshotPool(databaseUrl, { max: 4 })
  t.teardown(() => snapshotPool.end())
  const deps: HandlerDeps = {
    db,
    keys: base.keys,
    mailer,
    publicUrl,
    stop: stop.signal,
    log,
    snapshotPool,
    outbox: openOutbox(db),
    storage: openStorage(exportDir),
    folders: anyFolders,
    uploadDir,
    exportTtl: 'P7D',
    dataMap,
    breakerLimits,
    purgeExpiredSessions,
    rateLimits: true,
  }
  return {
    ...base,
    databaseUrl,
    sink,
    deps,
    lines,
    stop,
    exportDir,
    stored: () => readdir(exportDir).catch(() => []),
    deletion: ({ session, user }, eraseNow = false) =>
      requestDeletion(
        db,
        base.keys,
        base.hasher,
        session,
        { userId: user.id, password, eraseNow },
        base.rules,
      ),
    async dispatchMail(mail) {
      const [lease] = await dispatchEach(
        db,
        'outbox',
        sql`d.status = 'pending' and d.mail = ${mail}`,
        1,
      )
      return lease ?? randomUUID()
    },
    dispatchDeletions: () => dispatchBatch(db, 'deletions', mayBeClaimed(deps.breakerLimits), 500),
  }
}
