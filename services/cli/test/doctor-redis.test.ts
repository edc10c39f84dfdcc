import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { until } from '@lethe/machine-speed'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { healthy } from './healthy.ts'
import { muteServer } from './mute-server.ts'
import { freePort, redisServer, withRedis } from './redis-server.ts'

const at = (port: number) => `redis://127.0.0.1:${port}`

t.test('a Redis without eviction and with an append-only file is ok', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  const told = await doctor({ REDIS_URL: at(await redisServer(t)) })
  t.strictSame(told.faults, [])
  t.match(told, { code: 0, text: /^ok +Redis +127\.0\.0\.1:\d+ runs \d/m })
})

t.test('without REDIS_URL the check is ok', async (t) => {
  const { doctor } = await healthy(t)
  t.match(await doctor(), { code: 0, text: /^ok +Redis .* the queue is in PostgreSQL$/m })
})

t.test('reports any policy but noeviction', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  for (const policy of ['allkeys-lru', 'volatile-ttl']) {
    const port = await redisServer(t, { 'maxmemory-policy': policy })
    const { code, text, faults } = await doctor({ REDIS_URL: at(port) })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong Redis'] })
    t.match(text, `maxmemory-policy is ${policy}`)
    t.match(text, /→ redis-cli CONFIG SET maxmemory-policy noeviction/)
  }
})

t.test('reports a server without an append-only file', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  const REDIS_URL = at(await redisServer(t, { appendonly: 'no' }))
  const { code, text, faults } = await doctor({ REDIS_URL })
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong Redis'] })
  t.match(text, /it has no append-only file/)
  const redis = new Redis(REDIS_URL)
  const [, remedy = ''] = /redis-cli (CONFIG SET appendonly yes)/.exec(text) ?? []
  await redis.call(...(remedy.split(' ') as [string]))
  redis.disconnect()
  t.match(await doctor({ REDIS_URL }), { code: 0 }, 'the remedy helps')
})

t.test('reports a replica', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  const master = await redisServer(t)
  const port = await redisServer(t, { replicaof: `127.0.0.1 ${master}` })
  const { code, text, faults } = await doctor({ REDIS_URL: at(port) })
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong Redis'] })
  t.match(text, /is a replica, .*\n +→ name its master in REDIS_URL$/m)
})

t.test('a server that forbids CONFIG is ok', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  const port = await redisServer(t, { 'rename-command': 'CONFIG ""' })
  t.match(await doctor({ REDIS_URL: at(port) }), { code: 0 })
})

t.test('reports a server older than 6.2', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  const port = await redisServer(t)
  const [version = ''] = /(?<=redis_version:)\S+/.exec(await infoOf(port)) ?? []
  for (const [first, wellAged] of [
    ['6.2', true],
    ['6.1', false],
    ['5.9', false],
  ] as const) {
    const disguise = {
      [`redis_version:${version}`]: `redis_version:${first.padEnd(version.length, '.0')}`,
    }
    const { text, faults } = await doctor({ REDIS_URL: await disguised(t, port, disguise) })
    t.strictSame(faults, wellAged ? [] : ['wrong Redis'])
    t.match(text, `runs ${first}`)
  }
})

t.test('warns about settings that a managed server does not report', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  const port = await redisServer(t, { 'maxmemory-policy': 'allkeys-lru', appendonly: 'no' })
  const REDIS_URL = await disguised(t, port, {
    'maxmemory_policy:': 'xaxmemory_policy:',
    'aof_enabled:': 'xof_enabled:',
  })
  const { code, text, faults } = await doctor({ REDIS_URL })
  t.strictSame({ code, faults }, { code: 0, faults: ['warning Redis', 'warning Redis'] })
  t.match(text, /does not report its maxmemory-policy/)
  t.match(text, /does not report whether it writes an append-only file/)
})

t.test('reports a server that is missing, silent or rejects the log-in', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  const port = await redisServer(t, { requirepass: 'lovelace' })
  for (const [url, line] of [
    ['redis://127.0.0.1:1', /does not answer \(ECONNREFUSED\)/],
    [at(await muteServer(t)), /does not answer/],
    [at(port), /does not let this user read its state \(NOAUTH\)/],
    [
      `redis://ada:hunter2@127.0.0.1:${port}`,
      /does not let this user read its state \(WRONGPASS\)/,
    ],
    ['redis+sentinel://127.0.0.1:1/main', /does not answer/],
    ['redis+cluster://127.0.0.1:1', /does not answer/],
  ] as const) {
    const { code, text, faults } = await doctor({ REDIS_URL: url })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong Redis'] }, url)
    t.match(text, line)
    t.notMatch(text, /hunter2|ada/)
  }
  t.match(await doctor({ REDIS_URL: `redis://:lovelace@127.0.0.1:${port}` }), { code: 0 })
})

t.test('checks the master that Sentinels watch', withRedis, async (t) => {
  const { doctor } = await healthy(t)
  const master = await redisServer(t, { 'maxmemory-policy': 'allkeys-lru' })
  const sentinel = await redisServer(
    t,
    { 'sentinel monitor': `main 127.0.0.1 ${master} 1` },
    { sentinel: true },
  )
  const { code, text, faults } = await doctor({
    REDIS_URL: `redis+sentinel://127.0.0.1:${sentinel}/main`,
  })
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong Redis'] })
  t.match(text, /main drops jobs .* allkeys-lru/)
})

t.test(
  'of a cluster every node is looked at, and one alone is not the whole',
  withRedis,
  async (t) => {
    const { doctor } = await healthy(t)
    const { first, second } = await cluster(t)
    const { code, text, faults } = await doctor({
      REDIS_URL: `redis+cluster://127.0.0.1:${first}`,
    })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong Redis'] })
    t.match(text, `127.0.0.1:${second} drops jobs`)
    t.match(text, new RegExp(`^ok +Redis +127\\.0\\.0\\.1:${first} runs`, 'm'))
    t.match(await doctor({ REDIS_URL: at(first) }), { code: 1, text: /is a node of a cluster/ })
  },
)

async function infoOf(port: number): Promise<string> {
  const redis = new Redis(port, '127.0.0.1')
  const info = await redis.info()
  redis.disconnect()
  return info
}

/** Two nodes with half of the slots each; the second one evicts keys. */
async function cluster(t: Test): Promise<{ first: number; second: number }> {
  const node = async (policy: string, from: number) => {
    const bus = await freePort()
    const port = await redisServer(t, {
      ...{ 'cluster-enabled': 'yes', 'cluster-port': `${bus}`, 'maxmemory-policy': policy },
    })
    const redis = new Redis(port, '127.0.0.1')
    t.teardown(() => redis.disconnect())
    await redis.cluster('ADDSLOTS', ...Array.from({ length: 8_192 }, (_, slot) => from + slot))
    return { port, bus, redis }
  }
  const [a, b] = await Promise.all([node('noeviction', 0), node('allkeys-lru', 8_192)])
  await a.redis.call('CLUSTER', 'MEET', '127.0.0.1', b.port, b.bus)
  for (const { redis } of [a, b])
    await until('the cluster is whole', async () =>
      (await redis.cluster('INFO')).includes('cluster_state:ok'),
    )
  return { first: a.port, second: b.port }
}

/** A proxy that replaces words in the server's `INFO` with words of the same length. */
async function disguised(t: Test, port: number, words: Record<string, string>): Promise<string> {
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far)
    far.on('data', (chunk: Buffer) => {
      let text = chunk.toString('latin1')
      for (const [word, other] of Object.entries(words)) text = text.replace(word, other)
      near.write(text, 'latin1')
    })
    near.on('close', () => far.destroy())
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => proxy.close())
  return at((proxy.address() as AddressInfo).port)
}
