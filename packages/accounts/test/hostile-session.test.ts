import { connect } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import t from 'tap'
import { createTestContext } from '../testing/index.ts'

/** Objects that a function of ours would use by mistake if it followed the session's search_path. */
const decoys = `
  create schema evil;
  create table evil.users (id bigint, active boolean default true, email text);
  create table evil.sessions (user_id bigint);
  create table evil.deletions (user_id bigint, status text);
  create table evil.people (id bigint);
  create function evil.trap() returns text language plpgsql as 'begin raise exception ''trapped''; end';
  create function evil.now() returns timestamptz language sql as 'select evil.trap()::timestamptz';
  create function evil.is_erasing(bigint) returns boolean language sql as 'select evil.trap()::boolean';
  create function evil.pg_notify(text, text) returns void language sql as 'select evil.trap()';
  create function evil.format(text, variadic text[]) returns text language sql as 'select evil.trap()';
  create function evil.format(text, regclass, name) returns text language sql as 'select evil.trap()';
  create function evil.to_jsonb(anyelement) returns jsonb language sql as 'select evil.trap()::jsonb';
  create function evil.to_char(timestamp, text) returns text language sql as 'select evil.trap()';
  create function evil.equal(bigint, bigint) returns boolean language sql as 'select evil.trap()::boolean';
  create function evil.equal(uuid, uuid) returns boolean language sql as 'select evil.trap()::boolean';
  create operator evil.= (leftarg = bigint, rightarg = bigint, function = evil.equal);
  create operator evil.= (leftarg = uuid, rightarg = uuid, function = evil.equal)`

t.test('the database functions ignore the search_path of the session', async (t) => {
  const { db: own, url } = await testDb(t)
  const f = await createTestContext(own)
  const [ada, bob] = [await f.person(), await f.person()]
  await sql.raw(decoys).execute(own)
  const db = connect(url, { max: 1 })
  t.teardown(() => db.destroy())
  await sql`set search_path = evil, pg_catalog, public`.execute(db)
  const hostile = sql`select now()`.execute(db)
  await t.rejects(hostile, /trapped/, 'the session is as hostile as it should be')
  const call = async (name: string) =>
    (await sql<{ value: unknown }>`select ${sql.raw(name)} as value`.execute(db)).rows[0]?.value
  const [a, b] = [ada.user.id, bob.user.id]

  t.equal(await call(`lethe.deactivate(${a})`), true)
  t.equal(await call(`lethe.deactivate(${a})`), false)
  await call(`lethe.end_sessions(${a})`)
  const { rows } = await sql`select user_id from public.sessions`.execute(own)
  t.strictSame(rows, [{ user_id: b }])
  await call(`lethe.restore(${a})`)
  const active = await sql`select from public.active_users`.execute(own)
  t.equal(active.rows.length, 2)

  t.equal(await call(`lethe.is_erasing(${a})`), false)
  t.equal(await call('lethe.is_erasing(999)'), true)
  t.equal(await call(`lethe.is_absent('public.users', 'id', ${a}::bigint)`), false)
  t.equal(await call("lethe.is_absent('public.users', 'id', 999::bigint)"), true)

  const log = (id: number) =>
    sql`insert into public.sessions (user_id, kind, token_hash, expires_at)
      values (${id}, 'cookie', ${Buffer.alloc(32, id)}, 'infinity')`.execute(db)
  await log(a)
  await t.rejects(log(999), { code: 'LT001' })

  const { id } = await f.request(bob)
  await sql`insert into public.outbox (mail, deletion_id) values ('deletion-cancelled', ${id})`.execute(
    db,
  )
  const text = await call('(select public.audit_event_text(e) from public.audit_events e)')
  t.match(text, id)
  await t.rejects(sql`update public.audit_events set event = 'export.ready'`.execute(db), {
    code: 'P0001',
    message: 'audit events are append-only',
  })
  await sql`update public.audit_events set position = 1, hash = ${Buffer.alloc(32)}`.execute(db)
})

t.test('each database function qualifies its names or sets its search_path', async (t) => {
  const { db } = await testDb(t)
  const { rows } = await sql`
    select proname from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where nspname in ('public', 'lethe', 'vault') and prosqlbody is null
      and not coalesce(proconfig::text[] @> array['search_path=pg_catalog, pg_temp'], false)`.execute(
    db,
  )
  t.strictSame(rows, [], 'by its own search_path, or bound when it was made')
})
