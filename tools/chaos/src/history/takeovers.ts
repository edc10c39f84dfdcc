import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** The end of a worker; `worker` is its application_name in the record. */
export interface End {
  worker: string
  at: Date
}

/** A row that a worker held when it ended. */
export interface Takeover {
  table: 'deletions' | 'exports' | 'outbox'
  worker: string
  endedAt: Date
  /** Seconds from its end until another worker dispatched the row to a job; null where that has not happened. */
  lent: number | null
  /** Seconds until another worker acquired it; longer where that job's worker was killed too. */
  taken: number | null
}

/** Each change of a row's lease. `took` means that a worker began the work; other changes dispatched or released it. */
const steps = sql`
  steps as (
    select seq, at, who, table_name, is_now->>'id' as id, is_now->>'lease' as lease,
      (is_now->>'attempts')::int > (was->>'attempts')::int as took,
      is_now->>'status' in ('pending', 'erasing') as open
    from chaos.changes
    where table_name in ('deletions', 'exports', 'outbox') and operation = 'UPDATE'
      and was->>'lease' is distinct from is_now->>'lease'
  )`

/** Finds the rows that these workers had acquired and neither finished nor released. */
export async function takeoversAfter(db: Db, ends: End[]): Promise<Takeover[]> {
  const { rows } = await sql<Takeover>`
    with ${steps}, followed as (
      select *, lead(who) over next as next_who, lead(at) over next as next_at,
        min(at) filter (where took) over (next rows between 1 following and unbounded following) as taken_again
      from steps window next as (partition by table_name, id order by seq)
    )
    select table_name as "table", who as worker, ended.at as "endedAt", extract(epoch from next_at - ended.at)::float8 as lent,
      extract(epoch from taken_again - ended.at)::float8 as taken
    from followed
    join unnest(${ends.map(({ worker }) => worker)}::text[], ${ends.map(({ at }) => at)}::timestamptz[])
      as ended (worker, at) on ended.worker = who
    where took and lease is not null and next_who is distinct from who`.execute(db)
  return rows
}

const RECENT = 5_000

/** Whether this worker holds a lease now. */
export async function isAtWork(db: Db, worker: string): Promise<boolean> {
  const { rows } = await sql<{ holds: boolean }>`
    select exists (
      select from chaos.changes
      where seq > (select max(seq) from chaos.changes) - ${RECENT}::int and who = ${worker}
        and (is_now->>'attempts')::int > (was->>'attempts')::int
        and (is_now->>'lease')::uuid in (
          select lease from public.outbox union all select lease from public.exports union all select lease from public.deletions)
    ) as holds`.execute(db)
  return rows[0]?.holds ?? false
}

/** Returns the workers that held a row when they received SIGTERM. */
export async function heldWhenAsked(
  db: Db,
  workers: { worker: string; asked: Date }[],
): Promise<string[]> {
  const { rows } = await sql<{ worker: string }>`
    with ${steps}, followed as (
      select *, lead(at) over next as next_at from steps window next as (partition by table_name, id order by seq)
    )
    select distinct name as worker from followed
    join unnest(${workers.map(({ worker }) => worker)}::text[], ${workers.map(({ asked }) => asked)}::timestamptz[])
      as stopped (name, asked) on name = who
    where took and at < asked and coalesce(next_at, 'infinity') > asked`.execute(db)
  return rows.map(({ worker }) => worker)
}

/** How long a row waited, from when. */
export interface Wait {
  from: Date
  /** Null where it still waits. */
  seconds: number | null
}

/** For each row that these workers released without having done the work: the wait until another worker acquired it. */
export async function waitsAfterGivingBack(db: Db, ends: End[]): Promise<Wait[]> {
  const { rows } = await sql<Wait>`
    with ${steps}, followed as (
      select *, min(at) filter (where took) over (next rows between 1 following and unbounded following) as taken_again
      from steps window next as (partition by table_name, id order by seq)
    )
    select at as "from", extract(epoch from taken_again - at)::float8 as seconds from followed
    where who = any(${ends.map(({ worker }) => worker)}::text[]) and lease is null and open and not took`.execute(
    db,
  )
  return rows
}

/** The longest time that a row was dispatched before a worker acquired it. */
export async function longestLent(db: Db): Promise<{ from: Date; seconds: number }> {
  const { rows } = await sql<{ from: Date; seconds: number }>`
    with ${steps}, followed as (
      select *, lead(at) over next as next_at from steps window next as (partition by table_name, id order by seq)
    )
    select at as "from", extract(epoch from coalesce(next_at, clock_timestamp()) - at)::float8 as seconds
    from followed where not took and lease is not null order by seconds desc limit 1`.execute(db)
  return rows[0] ?? { from: new Date(), seconds: 0 }
}

/**
 * Finds mails that the server accepted more than once although the worker that sent the earlier copy was not among
 * `ends` and lived to record it; one sentence each.
 */
export async function needlessCopies(db: Db, ends: End[]): Promise<string[]> {
  const { rows } = await sql<{ breach: string }>`
    with ${steps}
    select format('mail %s was sent again although %s had sent it and lived', m.outbox_id, sender.who) as breach
    from chaos.mails m
    join lateral (
      select who from steps s where s.table_name = 'outbox' and s.took and s.id = m.outbox_id::text and s.at <= m.at
      order by seq desc limit 1
    ) sender on true
    where m.verdict = 'accepted' and sender.who <> all(${ends.map(({ worker }) => worker)}::text[])
      and exists (select from chaos.mails later where later.outbox_id = m.outbox_id
        and later.verdict = 'accepted' and later.seq > m.seq)`.execute(db)
  return rows.map(({ breach }) => breach)
}
