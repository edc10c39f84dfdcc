import { randomBytes, randomUUID } from 'node:crypto'
import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import type { Test } from 'tap'
import { type MadeArchive, makeArchive } from '../src/index.ts'
import {
  addDeletion,
  addUser,
  createTestContext,
  eraseAfter,
  saveManyPasswords,
  type TestContext,
} from './setup.ts'

/** Makes the archive of a user with `rows` saved passwords of random text, which does not compress. */
export async function createTestArchive(t: Test, rows = 0, where?: string) {
  const ctx = await createTestContext(t, where)
  const id = await addUser(ctx.db, 'ada')
  await saveManyPasswords(ctx.db, id, rows)
  const options = ctx.optionsFor(id)
  const made = await makeArchive(ctx.readers, ctx.storage, options)
  const whole = await ctx.readArchive(made)
  return { ...ctx, id, exportId: options.exportId, made, whole }
}

type Values = {
  status?: 'ready' | 'withdrawn'
  file_name?: string
  lease?: string
  token_nonce?: null
}

/** Adds an export. A ready one gets the id in the name of the archive. */
export async function addExport({ db, made }: TestContext & { made: MadeArchive }, values: Values) {
  const token_hash = randomBytes(32)
  const user_id = await addUser(db, randomUUID())
  const deletion_id = await addDeletion(db, user_id, null)
  const ready = {
    bytes: 1,
    sha256: token_hash,
    created_at: eraseAfter,
    expires_at: eraseAfter,
    id: made.fileName.slice(0, 36),
  }
  const row = await db
    .insertInto('exports')
    .values({
      deletion_id,
      user_id,
      token_hash,
      token_nonce: token_hash,
      ...(values.status === 'ready' && ready),
      ...values,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return { id: row.id, lease: values.lease }
}

/** Adds a withdrawn export with the id in this file's name. */
export async function addWithdrawnExport(db: Db, file: string): Promise<void> {
  const values = {
    id: file.slice(0, 36),
    status: 'withdrawn',
    token_hash: randomBytes(32),
  } as const
  await db.insertInto('exports').values(values).execute()
}

/** Records an attempt, as the worker does before it writes. */
export async function recordAttempt(db: Db, file: string): Promise<void> {
  const [exportId, lease] = [file.slice(0, 36), file.slice(37, 73)]
  await sql`insert into lethe.archive_attempts (export_id, lease) values (${exportId}, ${lease})`.execute(
    db,
  )
}
