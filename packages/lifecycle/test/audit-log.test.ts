import { randomUUID } from 'node:crypto'
import { asSuperuser, testDb } from '@lethe/db/testing'
import { recordAuditEvents, sealAuditEvents, verifyAuditChain } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t from 'tap'

t.test(
  'events are chained afterwards by several sealers at once, and the chain verifies',
  async (t) => {
    const { db } = await testDb(t)
    const note = () =>
      db
        .transaction()
        .execute((tx) => recordAuditEvents(tx, [randomUUID(), randomUUID()], 'deletion.claimed'))
    await Promise.all(Array.from({ length: 20 }, note))
    t.match(await verifyAuditChain(db), { sealed: 0, unsealed: 40 })
    const sealed = await Promise.all([1, 2, 3].map(() => sealAuditEvents(db)))
    t.equal(
      sealed.reduce((sum, n) => sum + n, 0),
      40,
    )
    await note()
    await sealAuditEvents(db)
    const report = await verifyAuditChain(db)
    t.match(report, { sealed: 42, unsealed: 0 })
    t.equal(report.brokenAt, undefined)
  },
)

t.test('events cannot be changed, deleted or truncated', async (t) => {
  const { db } = await testDb(t)
  await db.transaction().execute((tx) => recordAuditEvents(tx, [randomUUID()], 'deletion.claimed'))
  await t.rejects(
    sql`update public.audit_events set event = 'deletion.erased'`.execute(db),
    /append-only/,
  )
  await sealAuditEvents(db)
  await t.rejects(sql`update public.audit_events set position = 7`.execute(db), /append-only/)
  await t.rejects(sql`delete from public.audit_events`.execute(db), /append-only/)
  await t.rejects(sql`truncate public.audit_events`.execute(db), /append-only/)
})

t.test('the chain reveals a change that bypasses the triggers', async (t) => {
  const { db, url } = await testDb(t)
  const forger = asSuperuser(t, { url })
  const ids = Array.from({ length: 5 }, () => randomUUID())
  await db.transaction().execute((tx) => recordAuditEvents(tx, ids, 'deletion.claimed'))
  await sealAuditEvents(db)
  const forge = (statement: ReturnType<typeof sql>) =>
    forger.transaction().execute(async (tx) => {
      await sql`set local session_replication_role = replica`.execute(tx)
      await statement.execute(tx)
    })
  await forge(sql`update public.audit_events set details = '{"by":"owner"}' where position = 3`)
  t.match(await verifyAuditChain(db), { brokenAt: 3 })
  await forge(sql`update public.audit_events set details = '{}' where position = 3`)
  t.equal((await verifyAuditChain(db)).brokenAt, undefined)
  await forge(sql`delete from public.audit_events where position = 2`)
  t.match(await verifyAuditChain(db), { brokenAt: 2 })
})
