import t from 'tap'
import { findRedisUrlFault, parseRedisUrl } from '../src/redis-url.ts'

t.test('a single server', async (t) => {
  t.match(parseRedisUrl('redis://localhost'), {
    form: 'server',
    tls: false,
    username: undefined,
    password: undefined,
    db: 0,
    hosts: [{ host: 'localhost', port: 6379 }],
  })
  t.match(parseRedisUrl('rediss://ada:p%40ss:word@redis.example:6380/7'), {
    form: 'server',
    tls: true,
    username: 'ada',
    password: 'p@ss:word',
    db: 7,
    hosts: [{ host: 'redis.example', port: 6380 }],
  })
  t.match(parseRedisUrl('redis://:p@ss@[::1]/'), {
    username: undefined,
    password: 'p@ss',
    db: 0,
    hosts: [{ host: '::1', port: 6379 }],
  })
})

t.test('a master that Sentinels watch', async (t) => {
  t.match(parseRedisUrl('redis+sentinel://ada:secret@s1,s2:26380,[::1]:26381/the-master/3'), {
    form: 'sentinel',
    tls: false,
    username: 'ada',
    password: 'secret',
    master: 'the-master',
    db: 3,
    hosts: [
      { host: 's1', port: 26379 },
      { host: 's2', port: 26380 },
      { host: '::1', port: 26381 },
    ],
  })
  t.match(
    parseRedisUrl('rediss+sentinel://s1/m?sentinel_username=guard&sentinel_password=p%26ss'),
    { tls: true, sentinelUsername: 'guard', sentinelPassword: 'p&ss', db: 0 },
  )
  t.match(parseRedisUrl('redis-sentinel://s1/m'), { form: 'sentinel', master: 'm' })
})

t.test('a cluster, by some of its nodes', async (t) => {
  t.match(parseRedisUrl('rediss+cluster://:secret@n1,n2:7000/'), {
    form: 'cluster',
    tls: true,
    password: 'secret',
    hosts: [
      { host: 'n1', port: 6379 },
      { host: 'n2', port: 7000 },
    ],
  })
})

t.test('rejects an unusable URL without revealing a secret', async (t) => {
  for (const [url, got] of [
    ['hunter2', 'is not a URL'],
    ['hunter2:6379', 'is not a URL'],
    ['redis://hunter2 @localhost', 'is not a URL'],
    ['redis://localhost/0#hunter2', 'is not a URL'],
    ['http://user:hunter2@localhost', 'begins with "http:"'],
    ['redisss://:hunter2@localhost', 'begins with "redisss:"'],
    ['redis://:hunter2@', 'has a host or a port that cannot be'],
    ['redis://:hunter2@localhost:70000', 'has a host or a port that cannot be'],
    ['redis://user:1/hunter2@localhost', 'has a path that is not the number of a database'],
    ['redis://:hunter2%@localhost', 'has a user or a password that is not percent-encoded'],
    ['redis://:hunter2@a:1,b:2', 'names more than one server'],
    ['redis://localhost/hunter2', 'has a path that is not the number of a database'],
    ['redis://localhost?password=hunter2', 'has options that are not known'],
    ['redis://localhost?sentinel_password=hunter2', 'has options that are not known'],
    ['redis+sentinel://:hunter2@a:1,b:2', 'has no path that names a master'],
    ['redis+sentinel://:hunter2@a:1,,b:2/m', 'has a host or a port that cannot be'],
    ['redis+sentinel://a:1/m/hunter2', 'has no path that names a master'],
    ['redis+cluster://:hunter2@a:1,b:2/0', 'has a path, and a cluster has none'],
  ] as const) {
    const fault = findRedisUrlFault(url)
    t.equal(fault?.got, got, got)
    t.notMatch(JSON.stringify(fault), /hunter2/)
  }
  t.equal(findRedisUrlFault('redis://:hunter2@localhost/1'), undefined)
})
