import { randomUUID } from 'node:crypto'
import type { Person } from '@lethe/accounts/testing'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import {
  type RedisProcess,
  startCluster,
  startSentinels,
  waitForReplica,
  withServers,
} from '@lethe/queue/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { startWorker } from '../src/worker.ts'
import { createWorkerContext, type WorkerContext } from './setup.ts'

t.test('deletions continue while Sentinels fail over and back', withServers, async (t) => {
  const { url, servers, sentinels } = await startSentinels(t)
  const [first, second] = servers
  await deletionsThrough(
    t,
    url,
    [...servers, ...sentinels],
    [
      () => first.kill(),
      async () => {
        await first.start()
        // The Sentinels would do this some seconds later.
        await first.command('replicaof', '127.0.0.1', String(second.port))
        await waitForReplica(first, second)
        // Frozen instead of killed: its clients get no notice that their connections are dead.
        second.freeze()
      },
    ],
  )
})

t.test('deletions continue while a cluster fails over and back', withServers, async (t) => {
  const cluster = await startCluster(t)
  const masterOf = (queueName: string) => cluster.masterOf(`bull:{${queueName}-send-mail}:wait`)
  let first: RedisProcess
  await deletionsThrough(t, cluster.url, cluster.nodes, [
    async (queueName) => {
      first = await masterOf(queueName)
      await first.kill()
    },
    async (queueName) => {
      await first.start()
      const second = await masterOf(queueName)
      await waitForReplica(first, second)
      await second.kill()
    },
  ])
})

type Failover = (queueName: string) => Promise<void>

/** Runs two workers, with deletions that are requested and become due before, during and after each failover. */
async function deletionsThrough(
  t: Test,
  redisUrl: string,
  servers: RedisProcess[],
  failovers: Failover[],
): Promise<void> {
  const ctx = await createWorkerContext(t, { gracePeriod: 'PT3S' })
  const queueName = `test-${randomUUID()}`
  const options = { databaseUrl: ctx.databaseUrl, redisUrl, queueName, host: '127.0.0.1', port: 0 }
  const workers = [await startWorker(ctx.deps, options), await startWorker(ctx.deps, options)]
  for (const worker of workers) t.teardown(() => worker.close())
  for (const failOver of failovers) {
    const [before, after] = [await signUp(ctx), await signUp(ctx)]
    for (const person of before) await ctx.request(person)
    await until('mails are sent', () => mailsTo(ctx, before).length > 0)
    await failOver(queueName)
    for (const person of after) await ctx.request(person)
    await until('mails are sent again', () => mailsTo(ctx, after).length > 0)
    await expireLostLeases(ctx)
  }
  await until('every row is settled', async () => (await countUnfinished(ctx)) === 0)

  const { rows } =
    await sql`select from public.deletions where erased_at is null or erased_at < erase_after`.execute(
      ctx.db,
    )
  t.strictSame(rows, [], 'all accounts are erased, and none before its date')
  t.strictSame(await ctx.db.selectFrom('users').select('id').execute(), [])
  const mails = await ctx.db
    .selectFrom('outbox')
    .select('id')
    .where('status', '=', 'sent')
    .execute()
  const messageIds = ctx.sink.received.map(({ email }) => email.messageId?.match(/[\w-]+/)?.[0])
  t.equal(messageIds.length, new Set(messageIds).size, 'no mail is sent twice')
  t.strictSame(new Set(messageIds), new Set(mails.map(({ id }) => id)), 'no mail is missing')

  await Promise.all(servers.map((server) => server.kill()))
  const watch = startStopwatch()
  await Promise.all(workers.map((worker) => worker.close()))
  await holdsWithin(t, watch, 5_000, 'the workers close although no queue server runs')
}

const signUp = (ctx: WorkerContext) => Promise.all(Array.from({ length: 4 }, () => ctx.person()))

function mailsTo({ sink }: WorkerContext, people: Person[]) {
  const addresses = new Set(people.map(({ user }) => user.email))
  return sink.received.filter(({ to }) => addresses.has(to[0] ?? ''))
}

/** Simulates that half a minute has passed: the leases of jobs that the queue lost have expired. */
async function expireLostLeases({ db }: WorkerContext): Promise<void> {
  for (const table of ['outbox', 'exports', 'deletions'])
    await sql`update ${sql.table(`public.${table}`)} set next_attempt_at = now()
      where lease is not null and next_attempt_at > now() + interval '10 seconds'`.execute(db)
}

async function countUnfinished({ db }: WorkerContext): Promise<number> {
  const { rows } = await sql<{ open: number }>`
    select (select count(*) from public.outbox where status = 'pending')
         + (select count(*) from public.deletions where status in ('pending', 'erasing'))
         + (select count(*) from public.exports where status = 'pending') as open`.execute(db)
  return Number(rows[0]?.open)
}
