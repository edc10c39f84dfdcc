import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { connect } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { until } from '@lethe/machine-speed'
import { Redis } from 'ioredis'
import { sql } from 'kysely'
import pg from 'pg'
import t, { type Test } from 'tap'
import { startMailSink } from '../src/system/mail-sink.ts'
import type { Protocol } from '../src/system/messages.ts'
import { type Fate, type FaultProxy, startFaultProxy } from '../src/system/proxy.ts'

const redis = process.env.TEST_REDIS_URL
const withRedis = redis ? {} : { skip: 'no redis-server on this machine' }

t.test('on PostgreSQL', async (t) => {
  t.test('a statement of any length is one message with one answer', async (t) => {
    const { proxy, client } = await postgres(t)
    const said = listen(proxy)
    const long = 'x'.repeat(500_000)
    await client.query('insert into notes (id, text) values ($1, $2)', [7, long])
    await client.query('begin')
    await client.query('update notes set text = $1', ['short'])
    await client.query('commit')
    await client.query({ name: 'known', text: 'select text from notes -- all\n' })
    await client.query({ name: 'known', text: 'select text from notes -- all\n' })
    await client.query('select nonsense').catch(() => {})
    t.same(said, [
      'insert into notes (id, text) values ($1, $2): INSERT 0 1',
      'begin: BEGIN',
      'update notes set text = $1: UPDATE 1',
      'commit after update notes set text = $1: COMMIT',
      'select text from notes: SELECT 1',
      'select text from notes: SELECT 1',
      'select nonsense: error 42703',
    ])
  })

  t.test('a statement of a queue has its name', async (t) => {
    const { proxy, client } = await postgres(t)
    const said = listen(proxy)
    await client.query('select $1::text', ['lethe-send-mail'])
    t.same(said, ['select $1::text [send-mail]: SELECT 1'])
  })

  t.test('a connection start is one message with one answer', async (t) => {
    const { proxy, again } = await postgres(t)
    const said = listen(proxy)
    await again()
    t.same(said, ['connect: '])
    proxy.intercept(() => 'drop-after')
    await t.rejects(again(), /Connection terminated/)
  })

  t.test('drop-before: the server never sees the message', async (t) => {
    const { proxy, client, db } = await postgres(t)
    proxy.intercept(only(/insert/, 'drop-before'))
    await t.rejects(client.query('insert into notes (id) values (1)'), /terminated/)
    t.equal(await notes(db), 0)
  })

  t.test('drop-after: the server acts and the client never learns', async (t) => {
    const { proxy, client, db } = await postgres(t)
    proxy.intercept(only(/insert/, 'drop-after'))
    await t.rejects(client.query('insert into notes (id) values (1)'), /terminated/)
    t.equal(await notes(db), 1)
  })

  t.test(
    'a function gets the answer after the server has acted, and decides what the client gets',
    async (t) => {
      const { proxy, client, db } = await postgres(t)
      let counted: Promise<number> | undefined
      const decide = (answer: string) => {
        counted ??= notes(db)
        return answer === 'INSERT 0 0' ? 'pass' : 'silence'
      }
      proxy.intercept(only(/insert/, decide))
      await client.query('insert into notes (id) select 1 where false')
      t.equal(await counted, 0)
      counted = undefined
      const unanswered = client.query('insert into notes (id) values (1)')
      unanswered.catch(() => {})
      t.equal(await until('the call', () => counted), 1)
      t.equal(await stillUnanswered(unanswered), true)
    },
  )

  t.test('delivers a notification while an answer is held back', async (t) => {
    const { proxy, client } = await postgres(t)
    const heard = once(client, 'notification')
    await client.query('listen news')
    proxy.intercept(() => () => 'silence')
    client.query('notify news').catch(() => {})
    t.match(await heard, [{ channel: 'news' }])
  })

  t.test('hold: the message is lost and the connection stays', async (t) => {
    const { proxy, client, db } = await postgres(t)
    proxy.intercept(only(/insert/, 'hold'))
    const unanswered = client.query('insert into notes (id) values (1)')
    unanswered.catch(() => {})
    t.equal(await stillUnanswered(unanswered), true)
    t.equal(await notes(db), 0)
  })

  t.test('cut: no connection is possible until it is mended', async (t) => {
    const { proxy, client, again } = await postgres(t)
    const ended = new Promise((resolve) => client.once('end', resolve))
    await proxy.cut()
    await ended
    await t.rejects(again(), { code: 'ECONNREFUSED' })
    await proxy.mend()
    t.same((await (await again()).query('select 1 as one')).rows, [{ one: 1 }])
  })

  t.test('freeze: connections stay and no data passes until it is mended', async (t) => {
    const { proxy, client, again } = await postgres(t)
    proxy.freeze()
    const unanswered = client.query('select 1')
    unanswered.catch(() => {})
    const late = again()
    late.catch(() => {})
    t.equal(await stillUnanswered(unanswered), true)
    t.equal(await stillUnanswered(late), true)
    await proxy.mend()
    await t.rejects(unanswered, /terminated/)
    t.same((await (await again()).query('select 1 as one')).rows, [{ one: 1 }])
  })
})

t.test('on Redis', withRedis, async (t) => {
  t.test('each command of a pipeline is a message with its own answer', async (t) => {
    const { proxy, client } = await onRedis(t)
    const key = `test-${randomUUID()}`
    const said = listen(proxy)
    await client.multi().set(key, 'a\r\nb').get(key).exec()
    await client.pipeline().del(key).get(key).exec()
    t.same(
      said.map((line) => line.replaceAll(/test-\S+/g, 'key')),
      [
        'multi: +OK',
        'set key +QUEUED',
        'get key +QUEUED',
        'exec after get key *2 +OK',
        'del key :1',
        'get key _',
      ],
    )
  })

  t.test('names a script by its first words and its key', async (t) => {
    const { proxy, client } = await onRedis(t)
    const script = `-- Counts to one, for ${randomUUID()}\nreturn 1`
    const sha = (await client.script('LOAD', script)) as string
    const said = listen(proxy)
    await client.eval(script, 1, 'here')
    await client.evalsha(sha, 1, 'there')
    t.match(said, [/^Counts to one here: :1$/, /^Counts to one there: :1$/])
  })

  t.test('drop in a pipeline: the commands before it are done', async (t) => {
    for (const [fate, value] of [
      ['drop-before', null],
      ['drop-after', '1'],
    ] as const) {
      const { proxy, client, direct } = await onRedis(t)
      const [first, second] = [randomUUID(), randomUUID()]
      proxy.intercept(only(/^incr/, fate))
      const results = (await client.pipeline().set(first, 'x').incr(second).exec()) ?? []
      t.ok(results[1]?.[0], `${fate}: the client does not learn`)
      t.equal(await until('the first command', () => direct.get(first)), 'x')
      t.equal(await direct.get(second), value, fate)
    }
  })
})

t.test('over SMTP', async (t) => {
  t.test('the server speaks first, and the mail is one message', async (t) => {
    const { proxy, say } = await smtp(t)
    const said = listen(proxy)
    const { end } = await sendOne(say)
    await end
    t.same(said, [
      'connect: 220',
      'EHLO: 250',
      'MAIL: 250',
      'RCPT: 250',
      'DATA: 354',
      'the message: Hello: 250',
      'QUIT: 221',
    ])
  })

  t.test('drop-after: the server accepts the mail and the client never learns', async (t) => {
    const { proxy, say, sink } = await smtp(t)
    proxy.intercept(only(/^the message/, 'drop-after'))
    const { answers } = await sendOne(say)
    t.match(answers.at(-1), 'closed')
    t.match(sink.offers, [{ recipient: 'ada@people.example', verdict: 'accepted' }])
  })

  t.test('drop-before: no mail is offered', async (t) => {
    const { proxy, say, sink } = await smtp(t)
    proxy.intercept(only(/^the message/, 'drop-before'))
    await sendOne(say)
    t.same(sink.offers, [])
  })
})

t.test('over HTTP a request is one message; drop-after serves it', async (t) => {
  let served = 0
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      served++
      response.end('done')
    })
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const proxy = await proxyTo(t, url, 'http')
  const said = listen(proxy)
  const ask = () => fetch(`${proxy.through(url)}v1/users/42`, { method: 'PUT', body: 'x' })
  t.equal(await (await ask()).text(), 'done')
  t.same(said, ['PUT /v1/users/#: 200'])
  proxy.intercept(() => 'drop-after')
  await t.rejects(ask())
  t.equal(served, 2)
  proxy.intercept(() => 'drop-before')
  await t.rejects(ask())
  t.equal(served, 2)
})

async function postgres(t: Test) {
  const { db, url } = await testDb(t)
  await sql`create table public.notes (id integer, text text)`.execute(db)
  const proxy = await proxyTo(t, url, 'postgres')
  const again = async () => {
    const client = new pg.Client(proxy.through(url))
    client.on('error', () => {})
    t.teardown(() => client.end())
    await client.connect()
    return client
  }
  return { proxy, db, client: await again(), again }
}

async function notes(db: ReturnType<typeof connect>): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*) as n from public.notes`.execute(db)
  return rows[0]?.n ?? 0
}

async function onRedis(t: Test) {
  const open = (url: string) => {
    const client = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    return client
  }
  const proxy = await proxyTo(t, redis ?? '', 'redis')
  const client = open(proxy.through(redis ?? ''))
  await client.ping()
  return { proxy, client, direct: open(redis ?? '') }
}

async function smtp(t: Test) {
  const sink = await startMailSink()
  t.teardown(sink.close)
  const proxy = await proxyTo(t, sink.url, 'smtp')
  return { proxy, sink, say: () => dialogue(proxy.port) }
}

/** A client that sends a line and waits for the last line of the answer. */
async function dialogue(port: number) {
  const socket = connectSocket(port, '127.0.0.1').setEncoding('utf8')
  socket.on('error', () => {})
  let heard = ''
  const closed = once(socket, 'close')
  socket.on('data', (text) => {
    heard += text
  })
  const answer = async () => {
    const line = () => /^\d{3} .*$/m.exec(heard)?.[0]
    const first = await until('an answer', () => line() ?? (socket.closed && 'closed'))
    heard = ''
    return first
  }
  const say = (line: string) => {
    if (!socket.destroyed) socket.write(`${line}\r\n`)
    return answer()
  }
  return { greeting: await answer(), say, closed }
}

async function sendOne(open: () => ReturnType<typeof dialogue>) {
  const { greeting, say, closed } = await open()
  const answers = [greeting]
  const mail = 'Subject: Hello\r\nMessage-ID: <1@here>\r\n\r\nText.\r\n.'
  const lines = ['EHLO here', 'MAIL FROM:<a@here>', 'RCPT TO:<ada@people.example>', 'DATA', mail]
  for (const line of lines) answers.push(await say(line))
  const end = say('QUIT').then(() => closed)
  return { answers, end }
}

async function proxyTo(t: Test, url: string, protocol: Protocol): Promise<FaultProxy> {
  const proxy = await startFaultProxy(url, protocol)
  t.teardown(proxy.close)
  return proxy
}

/** Records messages and answers, and lets them pass. */
function listen(proxy: FaultProxy): string[] {
  const said: string[] = []
  proxy.intercept((name) => (answer) => {
    said.push(`${name}: ${answer}`)
    return 'pass'
  })
  return said
}

const only = (says: RegExp, fate: Fate) => (message: string) => (says.test(message) ? fate : 'pass')

/** Whether the promise is still pending after everything in flight had time to arrive. */
async function stillUnanswered(promise: Promise<unknown>): Promise<boolean> {
  const answered = promise.then(
    () => false,
    () => false,
  )
  const client = connect(process.env.TEST_DATABASE_URL ?? '', { max: 1 })
  try {
    const later = sql`select pg_sleep(0.2)`.execute(client).then(() => true)
    return await Promise.race([answered, later])
  } finally {
    await client.destroy()
  }
}
