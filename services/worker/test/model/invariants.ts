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

/** Checks the invariants of an idle system, from its rows and folders alone. */
export async function checkInvariants(
  world: World,
  system: SystemUnderTest,
  rows: Rows,
): Promise<void> {
  for (const deletion of rows.deletions) checkDeletionEnd(deletion, rows)
  assert.deepEqual(rows.outbox, [], 'no mail remains')
  assert.deepEqual(rows.sessions, [], 'no session remains')
  await checkAuditChain(system, rows)
  await checkErasedRows(world, system)
  await checkFiles(world, system)
  assert.doesNotMatch(system.lines.join('\n'), /example\.com/i, 'no log line contains an address')
}

function checkDeletionEnd(deletion: Rows['deletions'][number], rows: Rows): void {
  const { id, status, user_id, erase_after, claimed_at, erased_at, cancelled_at } = deletion
  const events = rows.audit_events
    .filter(({ deletion_id }) => deletion_id === id)
    .map(({ event }) => event)
  const ends = events.filter((event) => /^deletion\.(cancelled|erased)$/.test(String(event)))
  assert.deepEqual(ends, [`deletion.${status}`], 'a deletion ends exactly once')
  assert.equal(deletion.token_nonce, null, 'no link can be generated after the end')
  if (status === 'cancelled') {
    assert.ok(!events.includes('deletion.claimed'), 'a canceled deletion was never claimed')
    return
  }
  assert.equal(user_id, null, 'a tombstone has no user id')
  assert.equal(cancelled_at, null, 'no account is erased after a cancel')
  assert.ok(time(erase_after) <= time(claimed_at), 'no deletion is claimed before its date')
  assert.ok(time(claimed_at) <= time(erased_at), 'no account is erased before the claim')
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
      assert.deepEqual(left.filter(Boolean), [], 'no rows of an erased account remain')
    } else if (saved.length > 0) {
      const opened = await listSavedPasswords(db, keys, id)
      assert.deepEqual(
        sorted(opened.map(({ site, password }) => `${site} ${password}`)),
        sorted(saved.map(({ site, secret }) => `${site} ${secret}`)),
        'an account that remains can decrypt its saved passwords',
      )
    }
  }
}

async function checkFiles({ people }: World, { db, deps }: SystemUnderTest): Promise<void> {
  const { storage, uploadDir } = deps
  await sql`update lethe.archive_attempts
    set begun_at = now() - interval '2 days', next_check_at = now()`.execute(db)
  // The files are older than a day by the clock of the database, but not by the clock of the file system.
  const longAgo = { ...storage, modifiedAt: async () => new Date(0) }
  await removeOrphanedArchives(db, longAgo)
  for await (const names of storage.list()) assert.deepEqual(names, [], 'no archive remains')
  const living = people.flatMap(({ id, erased, avatar }) => (erased || !avatar ? [] : String(id)))
  assert.deepEqual(
    await namesIn(uploadDir),
    sorted(living),
    'only remaining accounts have a folder',
  )
}

async function namesIn(folder: string): Promise<string[]> {
  return sorted(await readdir(folder).catch(() => []))
}

function time(column: unknown): number {
  return Date.parse(String(column))
}
