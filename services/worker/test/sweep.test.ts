import { sql } from 'kysely'
import t from 'tap'
import { sweepTasks } from '../src/sweep.ts'
import { noQueue, type Setup, setup } from './setup.ts'

t.test('what is over is forgotten at once, however much of it there is', async (t) => {
  const s = await setup(t)
  const { user } = await s.person()
  await sql`delete from sessions`.execute(s.db)
  const hash = sql`sha256(i::text::bytea)`
  await sql`insert into sessions (user_id, kind, token_hash, expires_at)
    select ${user.id}, 'cookie', ${hash}, now() from generate_series(1, 1500) i`.execute(s.db)
  await sql`insert into rate_limits (bucket, hits, ends_at)
    select ${hash}, 1, now() from generate_series(1, 1500) i`.execute(s.db)
  const tasks = sweepTasks(s.deps, noQueue)

  t.equal(await tasks['forget-expired-sessions'].run(), true, 'there may be more')
  t.equal(await tasks['forget-expired-sessions'].run(), false)
  t.equal(await tasks['forget-old-hits'].run(), true)
  t.equal(await tasks['forget-old-hits'].run(), false)
  t.equal(await rowsIn(s, 'sessions'), 0)
  t.equal(await rowsIn(s, 'rate_limits'), 0)
})

async function rowsIn({ db }: Setup, table: 'sessions' | 'rate_limits'): Promise<number> {
  const { n } = await db
    .selectFrom(table)
    .select((from) => from.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return n
}
