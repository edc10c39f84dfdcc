import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { planErasure, savePassword } from '@lethe/accounts'
import {
  breakerLimits,
  createTestContext,
  type Person,
  type TestContext,
} from '@lethe/accounts/testing'
import type { Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import {
  cancelDeletionByToken,
  claimDeletions,
  type Deletion,
  finishErasure,
  mayBeClaimed,
  sealAuditEvents,
} from '@lethe/lifecycle'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type Recorder, startRecorder } from '../src/history/recorder.ts'
import type { Offer } from '../src/system/mail-sink.ts'

// All of chaos depends on this checker, so this test breaks each invariant by hand and expects a report.

t.test('a correct history breaks no invariant', async (t) => {
  const h = await history(t)
  const counts = await h.check()
  t.match(counts, { deletions: 3, answers: 7 })
  t.ok(counts.mails >= 5 && counts.changes > 30)
})

const sabotage: Record<string, { does: string; act(h: History): unknown; says: RegExp }[]> = {
  I1: [
    {
      does: 'a claim a day early',
      act: ({ db, pending }) =>
        sql`update public.deletions set status = 'erasing', claimed_at = erase_after where id = ${pending.id}`.execute(
          db,
        ),
      says: /I1 .*was claimed .* before its date/,
    },
    {
      does: 'a user deleted whose deletion is not due',
      act: ({ db, carl }) => sql`delete from public.users where id = ${carl.user.id}`.execute(db),
      says: /I1 .*was deleted before/,
    },
  ],
  I2: [
    {
      does: 'a cancelled deletion that goes on',
      act: ({ db, cancelled }) =>
        sql`update public.deletions set status = 'erasing', cancelled_at = null, claimed_at = now(), erase_after = requested_at
          where id = ${cancelled.id}`.execute(db),
      says: /I2 .*went on after its cancel/,
    },
  ],
  I3: [
    {
      does: 'a session from before the deletion that is still accepted',
      act: ({ recorder, carl }) =>
        recorder.note({ ...answered(recorder, 'use', carl, 200), credential: 'old' }),
      says: /I3 .*use was accepted/,
    },
    {
      does: 'a log-in to a deactivated account',
      act: ({ recorder, carl }) => recorder.note(answered(recorder, 'log-in', carl, 201)),
      says: /I3 .*logged in although deactivated/,
    },
    {
      does: 'a write that commits after the deletion',
      act: ({ db, carl }) =>
        sql`insert into public.sessions (user_id, kind, token_hash, expires_at)
          values (${carl.user.id}, 'cookie', sha256('x'), now() + interval '1 day')`.execute(db),
      says: /I3 .*row of sessions was written after/,
    },
    {
      does: 'an account that is active although its deletion stands',
      act: ({ db, carl }) =>
        sql`update public.users set active = true where id = ${carl.user.id}`.execute(db),
      says: /I3 .*is active although/,
    },
  ],
  I4: [
    {
      does: 'a deletion that is never completed',
      act: ({ db, pending }) =>
        sql`update public.deletions set requested_at = now() - interval '2 hours', erase_after = now() - interval '1 hour',
          next_reminder_at = null where id = ${pending.id}`.execute(db),
      says: /I4 .*is pending/,
    },
  ],
  I5: [
    {
      does: 'a saved password of a cancelled account that is gone',
      act: ({ db, bert }) =>
        sql`delete from public.saved_passwords where user_id = ${bert.user.id}`.execute(db),
      says: /I5 .*lost a row of saved_passwords without a claim/,
    },
    {
      does: 'a picture of a cancelled account that is gone',
      act: ({ uploadDir, bert }) => rm(path.join(uploadDir, String(bert.user.id), 'picture.png')),
      says: /I5 .*is not erased and not what they were/,
    },
    {
      does: 'an export that still names the erased',
      act: ({ db, ada, erased }) =>
        sql`update public.exports set user_id = ${ada.user.id} where deletion_id = ${erased.id}`.execute(
          db,
        ),
      says: /I5 .*was erased and has a row of exports/,
    },
  ],
  I6: [
    {
      does: 'a mail that was never staged',
      act: ({ db, cancelled }) =>
        sql`delete from public.outbox where deletion_id = ${cancelled.id} and mail = 'deletion-cancelled'`.execute(
          db,
        ),
      says: /I6 .*has 0 mails of the kind deletion-cancelled/,
    },
    {
      does: 'a mail that is recorded as sent and never came',
      act: ({ offers }) => offers.pop(),
      says: /I6 .*is said to be sent and never came/,
    },
    {
      does: 'a copy with another Message-ID',
      act: ({ offers }) => offers.push({ ...first(offers), messageId: `<${randomUUID()}@x>` }),
      says: /I6 .*no mail’s of ours/,
    },
    {
      does: 'one Message-ID for two people',
      act: ({ offers }) => offers.push({ ...first(offers), recipient: 'eve@example.com' }),
      says: /I6 .*went to 2 addresses/,
    },
    {
      does: 'a mail offered again after a 5xx',
      act: ({ offers }) => offers.unshift({ ...first(offers), verdict: 'refused-5' }),
      says: /I6 .*offered again after it was refused for good/,
    },
    {
      does: 'a mail given up without an event',
      act: ({ db, offers }) =>
        sql`update public.outbox set status = 'undeliverable' where id = ${first(offers).messageId.slice(1, 37)}`.execute(
          db,
        ),
      says: /I6 .*given up without an event/,
    },
  ],
  I7: [
    {
      does: 'a changed row of a bystander',
      act: ({ db, dora }) =>
        sql`update public.users set display_name = 'Dorothy' where id = ${dora.user.id}`.execute(
          db,
        ),
      says: /I7 .*bystander’s row of users was changed/,
    },
  ],
  I8: [
    {
      does: 'two terminal events',
      act: ({ db, erased }) =>
        sql`insert into public.audit_events (deletion_id, event) values (${erased.id}, 'deletion.erased')`.execute(
          db,
        ),
      says: /I8 .*with 2 terminal events/,
    },
    {
      does: 'an event changed behind the triggers',
      act: ({ db }) =>
        db.transaction().execute(async (tx) => {
          await sql`set local session_replication_role = replica`.execute(tx)
          await sql`update public.audit_events set details = '{"by":"nobody"}' where position = 1`.execute(
            tx,
          )
        }),
      says: /I8 .*chain breaks at position 1/,
    },
  ],
  I9: [
    {
      does: 'a ready archive whose file is missing',
      act: ({ db, pending }) =>
        sql`update public.exports set status = 'ready', created_at = now(), expires_at = now() + interval '1 day',
          file_name = id || '.' || gen_random_uuid() || '.zip.age', bytes = 10, sha256 = sha256('x') where deletion_id = ${pending.id}`.execute(
          db,
        ),
      says: /I9 .*on offer and not there/,
    },
    {
      does: 'an archive fetched in part',
      act: ({ recorder, ada }) =>
        recorder.note({ ...answered(recorder, 'archive', ada, 200), detail: '12 of 90 bytes' }),
      says: /I9 .*not whole/,
    },
  ],
  I10: [
    {
      does: 'a cancel acknowledged for a deletion that was claimed',
      act: ({ recorder, ada, erased }) =>
        recorder.note({ ...answered(recorder, 'cancel', ada, 200), deletionId: erased.id }),
      says: /I10 .*the cancel was answered with 200/,
    },
  ],
}

for (const [invariant, cases] of Object.entries(sabotage))
  for (const { does, act, says } of cases)
    t.test(`${invariant} finds ${does}`, async (t) => {
      const h = await history(t)
      await act(h)
      await sealAuditEvents(h.db)
      await t.rejects(h.check(), { message: says })
    })

interface History {
  db: Db
  recorder: Recorder
  offers: Offer[]
  uploadDir: string
  ada: Person
  bert: Person
  carl: Person
  dora: Person
  erased: Deletion
  cancelled: Deletion
  pending: Deletion
  check(): ReturnType<Recorder['check']>
}

/** Ada was erased, Bert cancelled, Carl is in his grace period, and Dora is a bystander. */
async function history(t: Test): Promise<History> {
  const { db } = await testDb(t)
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-history-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [uploadDir, exportDir] = [path.join(folder, 'uploads'), path.join(folder, 'exports')]
  const offers: Offer[] = []
  await mkdir(uploadDir)
  const f = await createTestContext(db)
  const recorder = await startRecorder({ db, keys: f.keys, uploadDir, exportDir, offers })
  const [ada, bert, carl, dora] = [
    await f.person(),
    await f.person(),
    await f.person(),
    await f.person(),
  ] as const
  for (const { user } of [ada, bert, carl, dora])
    await savePassword(db, f.keys, user.id, { site: 'a', username: 'b', password: 'c' })
  await mkdir(path.join(uploadDir, String(bert.user.id)))
  await writeFile(path.join(uploadDir, String(bert.user.id), 'picture.png'), 'picture')
  const known = ({ user }: Person) => ({ id: user.id, address: user.email })
  await recorder.remember([ada, bert, carl].map(known))
  await recorder.remember([dora].map(known), true)

  const deletions = [
    await f.request(ada, {}, 'PT0S'),
    await f.request(bert),
    await f.request(carl),
  ] as const
  const [erased, cancelled, pending] = deletions
  for (const [person, { id }] of [
    [ada, erased],
    [bert, cancelled],
    [carl, pending],
  ] as const) {
    recorder.note({ what: 'credential', userId: person.user.id, credential: 'old', sent: 0 })
    recorder.note({ ...answered(recorder, 'delete', person, 202), deletionId: id })
  }
  await f.publishArchive(erased.id)
  await sql`update public.exports set status = 'expired', file_name = null, token_nonce = null
    where deletion_id = ${erased.id}`.execute(db)
  await erase(f)
  await cancelDeletionByToken(db, await f.cancelToken(cancelled.id))
  recorder.note({ ...answered(recorder, 'cancel', bert, 200), deletionId: cancelled.id })
  await deliver(db, offers)
  await sealAuditEvents(db)
  return {
    ...{ db, recorder, offers, uploadDir, ada, bert, carl, dora, erased, cancelled, pending },
    check: () => recorder.check({ bound: 60 }),
  }
}

async function erase({ db }: TestContext): Promise<void> {
  const lease = randomUUID()
  await sql`update public.deletions d set lease = ${lease} where ${mayBeClaimed(breakerLimits)}`.execute(
    db,
  )
  await finishErasure(db, await planErasure(db), await claimDeletions(db, lease, breakerLimits))
}

/** Marks every mail as sent once. */
async function deliver(db: Db, offers: Offer[]): Promise<void> {
  const mails = await db.selectFrom('outbox').select(['id', 'mail', 'deletion_id']).execute()
  for (const { id, mail, deletion_id } of mails)
    offers.push({
      ...{ at: new Date(), recipient: `${deletion_id}@example.com`, messageId: `<${id}@x>` },
      ...{ subject: mail, verdict: 'accepted', tokens: {} },
    })
  await sql`update public.outbox set status = 'sent', finished_at = now(), address = null, lease = null`.execute(
    db,
  )
}

function answered(recorder: Recorder, what: string, { user }: Person, status: number) {
  return { what, userId: user.id, sent: recorder.tick(), answered: recorder.tick(), status }
}

function first(offers: Offer[]): Offer {
  const [offer] = offers
  if (!offer) throw new Error('no mail came')
  return offer
}
