import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import {
  acquire,
  dispatchBatch,
  dispatchEach,
  LeaseLostError,
  release,
  withLease,
} from '../src/index.ts'

const pending = sql<boolean>`d.status = 'pending'`
const never = new AbortController().signal

t.test('a leased row is not dispatched again until its lease runs out', async (t) => {
  const db = await withMails(t, 3)
  t.equal((await dispatchEach(db, 'outbox', pending, 10)).length, 3)
  t.equal((await dispatchEach(db, 'outbox', pending, 10)).length, 0)
  await expireLeases(db)
  t.equal((await dispatchEach(db, 'outbox', pending, 10)).length, 3)
})

t.test(
  'a worker that dies delays a row by ten seconds, whether dispatched or acquired',
  async (t) => {
    const db = await withMails(t, 1)
    const seconds = async () => {
      const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from next_attempt_at - now())::float8 as seconds from public.outbox`.execute(
        db,
      )
      return rows[0]?.seconds ?? 0
    }
    const [lease = ''] = await dispatchEach(db, 'outbox', pending, 1)
    const lent = await seconds()
    await acquire(db, 'outbox', lease)
    for (const left of [lent, await seconds()]) t.ok(left > 7 && left <= 10, `${left} s`)
  },
)

t.test('dispatches only free rows that match, and no more than the limit', async (t) => {
  const db = await withMails(t, 10)
  await sql`update public.outbox set status = 'sent', finished_at = now()
    where id in (select id from public.outbox limit 3)`.execute(db)
  t.equal((await dispatchEach(db, 'outbox', pending, 5)).length, 5)
  t.equal((await dispatchEach(db, 'outbox', pending, 5)).length, 2)
})

t.test('workers that dispatch at the same time never dispatch the same row', async (t) => {
  const db = await withMails(t, 500)
  const lent = await Promise.all(
    Array.from({ length: 10 }, () => dispatchEach(db, 'outbox', pending, 100)),
  )
  t.equal(lent.flat().length, new Set(lent.flat()).size)
  const taken = await Promise.all(lent.flat().map((lease) => acquire(db, 'outbox', lease)))
  const ids = taken.flatMap((each) => each?.rows.map(({ id }) => id) ?? [])
  t.equal(ids.length, lent.flat().length, 'every lease holds one row')
  t.equal(new Set(ids).size, ids.length, 'and no row is held twice')
})

t.test('a duplicate of a job finds nothing to do', async (t) => {
  const db = await withMails(t, 1)
  const [lease = ''] = await dispatchEach(db, 'outbox', pending, 1)
  const taken = await Promise.all([1, 2, 3].map(() => acquire(db, 'outbox', lease)))
  t.equal(taken.filter(Boolean).length, 1)
  t.equal(await acquire(db, 'outbox', lease), undefined)
  t.equal(await acquire(db, 'outbox', randomUUID()), undefined)
})

t.test('another worker acquires an expired lease, and the late job finds nothing', async (t) => {
  const db = await withMails(t, 1)
  const [late = ''] = await dispatchEach(db, 'outbox', pending, 1)
  await expireLeases(db)
  const [lease = ''] = await dispatchEach(db, 'outbox', pending, 1)
  t.equal(await acquire(db, 'outbox', late), undefined)
  t.match(await acquire(db, 'outbox', lease), { rows: [{ attempts: 1 }] })
})

t.test('work of a worker that died is dispatched again', async (t) => {
  const db = await withMails(t, 1)
  const [lease = ''] = await dispatchEach(db, 'outbox', pending, 1)
  await acquire(db, 'outbox', lease)
  t.strictSame(await dispatchEach(db, 'outbox', pending, 1), [], 'not while it may be alive')
  await expireLeases(db)
  const [again = ''] = await dispatchEach(db, 'outbox', pending, 1)
  t.match(await acquire(db, 'outbox', again), { rows: [{ attempts: 2 }] })
})

t.test('one lease can cover many rows, and some of them can be released', async (t) => {
  const db = await withMails(t, 4)
  const lease = await dispatchBatch(db, 'outbox', pending, 3)
  const taken = await acquire(db, 'outbox', lease ?? '')
  t.equal(taken?.rows.length, 3)
  const [first] = taken?.rows ?? []
  await release(db, 'outbox', taken?.lease ?? '', [0], [first?.id ?? ''])
  t.equal((await dispatchEach(db, 'outbox', pending, 10)).length, 2, 'that one and the fourth')
  t.equal(await dispatchBatch(db, 'outbox', pending, 3), undefined)
})

t.test('a released row waits longer after each attempt, up to the last delay', async (t) => {
  const db = await withMails(t, 1)
  const waits: number[] = []
  for (let attempt = 1; attempt <= 4; attempt++) {
    const [lease = ''] = await dispatchEach(db, 'outbox', pending, 1)
    const taken = await acquire(db, 'outbox', lease)
    await release(db, 'outbox', taken?.lease ?? '', [5, 30, 120])
    const row = await db
      .selectFrom('outbox')
      .select(sql<number>`extract(epoch from next_attempt_at - now())::float8`.as('seconds'))
      .where('lease', 'is', null)
      .executeTakeFirstOrThrow()
    waits.push(Math.round(row.seconds))
    await expireLeases(db)
  }
  t.strictSame(waits, [5, 30, 120, 120])
})

t.test('only the holder of a lease can release it', async (t) => {
  const db = await withMails(t, 1)
  const [late = ''] = await dispatchEach(db, 'outbox', pending, 1)
  await acquire(db, 'outbox', late)
  await release(db, 'outbox', late, [0])
  t.strictSame(await dispatchEach(db, 'outbox', pending, 1), [])
})

t.test('a lease is renewed for as long as the work runs, and not longer', async (t) => {
  const db = await withMails(t, 1)
  const lease = await takeOne(db)
  const end = Promise.withResolvers<string>()
  const working = withLease(db, 'outbox', lease, () => end.promise)
  await expireLeases(db)
  await kept(db)
  end.resolve('done')
  t.equal(await working, 'done')
})

t.test('work ends when its lease is lost', async (t) => {
  const db = await withMails(t, 1)
  const lease = await takeOne(db)
  const working = withLease(db, 'outbox', lease, async (signal) => {
    await sql`update public.outbox set lease = gen_random_uuid()`.execute(db)
    await once(signal, 'abort')
    throw signal.reason
  })
  const watch = startStopwatch()
  await t.rejects(working, LeaseLostError)
  await holdsWithin(t, watch, 5_000, 'long before another worker may begin')
})

t.test('a stop does not wait for work that ignores its signal', async (t) => {
  const db = await withMails(t, 1)
  const stop = new AbortController()
  const working = withLease(
    db,
    'outbox',
    await takeOne(db),
    () => new Promise<never>(() => {}),
    stop.signal,
  )
  stop.abort(new Error('stopping'))
  await t.rejects(working, { message: 'stopping' })
  await t.rejects(
    withLease(db, 'outbox', randomUUID(), async () => t.fail('it began'), stop.signal),
    { message: 'stopping' },
  )
})

t.test('an error of the work rejects the whole call', async (t) => {
  const db = await withMails(t, 1)
  const working = withLease(
    db,
    'outbox',
    await takeOne(db),
    () => Promise.reject(new Error('out of paper')),
    never,
  )
  await t.rejects(working, { message: 'out of paper' })
})

async function withMails(t: Parameters<typeof testDb>[0], count: number): Promise<Db> {
  const { db } = await testDb(t)
  const { id } = await db
    .insertInto('deletions')
    .values({
      user_id: 1,
      next_attempt_at: new Date(),
      token_hash: randomBytes(32),
      erase_after: sql<Date>`now() + interval '27 days'` as never,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  const mails = Array.from({ length: count }, () => {
    return { mail: 'deletion-scheduled' as const, deletion_id: id }
  })
  await db.insertInto('outbox').values(mails).execute()
  return db
}

async function takeOne(db: Db): Promise<string> {
  const [lease = ''] = await dispatchEach(db, 'outbox', pending, 1)
  const taken = await acquire(db, 'outbox', lease)
  return taken?.lease ?? ''
}

/** Moves all leases into the past. */
async function expireLeases(db: Db): Promise<void> {
  await sql`update public.outbox set next_attempt_at = now() - interval '1 second'`.execute(db)
}

async function kept(db: Db): Promise<void> {
  await until('the lease is prolonged', async () => {
    const { rows } = await sql`select from public.outbox where next_attempt_at > now()`.execute(db)
    return rows.length === 1
  })
}
