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

/** For tests whose folders nobody else uses. */
export const anyFolders: FolderGuard = {
  start: async () => undefined,
  whyNot: async () => undefined,
}

/** For tasks that queue nothing. */
export const noQueue = {} as OpenQueue

export interface Setup extends TestContext {
  databaseUrl: string
  sink: SmtpSink
  deps: HandlerDeps
  /** What lies in the storage of archives, whole or begun. */
  stored(): Promise<string[]>
  exportDir: string
  /** Every log line that was written. */
  lines: string[]
  /** What fires when the worker has to let go. */
  stop: AbortController
  /** Somebody's deletion, by themselves. */
  deletion(person: Person, eraseNow?: boolean): Promise<Deletion>
  /** Leases the one mail of this kind, as the relay would. */
  lendMail(mail: string): Promise<string>
  /** Leases all deletions that are due, as the sweep would. */
  dispatchDeletions(): Promise<string | undefined>
}

/** All that handlers need, for real: a database of the test's own, an SMTP server, folders, a log. */
export async function setup(t: Test, { gracePeriod = 'P27D' } = {}): Promise<Setup> {
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
    ...{ db, keys: base.keys, mailer, publicUrl, stop: stop.signal },
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
    ...{ databaseUrl, sink, deps, lines, stop, exportDir },
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
    async lendMail(mail) {
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
