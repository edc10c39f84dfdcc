import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { listSavedPasswords, planErasure } from '@lethe/accounts'
import { removeOrphanedArchives } from '@lethe/archive'
import { countRows } from '@lethe/erasure'
import { verifyAuditChain } from '@lethe/lifecycle'
import { sql } from 'kysely'
import type { Rows } from './rows.ts'
import { sorted } from './sorted.ts'
import type { SystemUnderTest } from './system-under-test.ts'
import type { World } from './world.ts'

/** What a system at rest owes to everybody, told from its rows and folders alone. */
export async function checkInvariants(
  world: World,
  system: SystemUnderTest,
  rows: Rows,
): Promise<void> {
  for (const deletion of rows.deletions) checkDeletionEnd(deletion, rows)
  assert.deepEqual(rows.outbox, [], 'no mail is kept')
  assert.deepEqual(rows.sessions, [], 'no session is kept')
  await checkAuditChain(system, rows)
  await checkErasedRows(world, system)
  await checkFiles(world, system)
  assert.doesNotMatch(system.lines.join('\n'), /example\.com/i, 'no log line names anybody')
}

function checkDeletionEnd(deletion: Rows['deletions'][number], rows: Rows): void {
  const { id, status, user_id, erase_after, claimed_at, erased_at, cancelled_at } = deletion
  const events = rows.audit_events
    .filter(({ deletion_id }) => deletion_id === id)
    .map(({ event }) => event)
  const ends = events.filter((event) => /^deletion\.(cancelled|erased)$/.test(String(event)))
  assert.deepEqual(ends, [`deletion.${status}`], 'a deletion ends once')
  assert.equal(deletion.token_nonce, null, 'no link can be made any more')
  if (status === 'cancelled') {
    assert.ok(!events.includes('deletion.claimed'), 'who stays was never claimed')
    return
  }
  assert.equal(user_id, null, 'a tombstone names nobody')
  assert.equal(cancelled_at, null, 'nobody is erased after a cancel')
  assert.ok(time(erase_after) <= time(claimed_at), 'nobody is claimed before their date')
  assert.ok(time(claimed_at) <= time(erased_at), 'nobody is erased before the claim')
}

async function checkAuditChain({ db }: SystemUnderTest, rows: Rows): Promise<void> {
  const { sealed, unsealed, brokenAt } = await verifyAuditChain(db)
  assert.deepEqual(
    { sealed, unsealed, brokenAt },
    { sealed: rows.audit_events.length, unsealed: 0, brokenAt: undefined },
    'the audit chain holds',
  )
}

async function checkErasedRows({ people }: World, { db, keys }: SystemUnderTest): Promise<void> {
  const plan = await planErasure(db)
  for (const { id = 0, erased, saved } of people) {
    if (erased) {
      const left = Object.values(await countRows(db, plan, id))
      assert.deepEqual(left.filter(Boolean), [], 'nothing of the erased is left')
    } else if (saved.length > 0) {
      const opened = await listSavedPasswords(db, keys, id)
      assert.deepEqual(
        sorted(opened.map(({ site, password }) => `${site} ${password}`)),
        sorted(saved.map(({ site, secret }) => `${site} ${secret}`)),
        'who is there can open what they saved',
      )
    }
  }
}

async function checkFiles({ people }: World, { db, deps }: SystemUnderTest): Promise<void> {
  const { storage, uploadDir } = deps
  await sql`update lethe.archive_attempts
    set begun_at = now() - interval '2 days', next_check_at = now()`.execute(db)
  // Written in this run, on a clock that is not the database's.
  const longAgo = { ...storage, modifiedAt: async () => new Date(0) }
  await removeOrphanedArchives(db, longAgo)
  for await (const names of storage.list()) assert.deepEqual(names, [], 'no archive is kept')
  const living = people.flatMap(({ id, erased, avatar }) => (erased || !avatar ? [] : String(id)))
  assert.deepEqual(await namesIn(uploadDir), sorted(living), 'only who is there has a folder')
}

async function namesIn(folder: string): Promise<string[]> {
  return sorted(await readdir(folder).catch(() => []))
}

function time(column: unknown): number {
  return Date.parse(String(column))
}
