import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import t from 'tap'
import { writeZip } from '../src/zip.ts'

const mebibyte = 1024 * 1024

t.test('content is read only as fast as the sink takes it', async (t) => {
  let [read, written, ahead] = [0, 0, 0]
  function* content() {
    for (let i = 0; i < 256; i++) {
      const chunk = randomBytes(64 * 1024)
      read += chunk.length
      yield chunk
    }
  }
  const slow = new Writable({
    write(chunk: Buffer, _encoding, done) {
      ahead = Math.max(ahead, read - written)
      written += chunk.length
      setTimeout(done, 1)
    },
  })
  await writeZip(slow, new AbortController().signal, async (add) => {
    await add({ name: 'x', mtime: new Date(), content: content() })
  })
  t.equal(read, 16 * mebibyte)
  t.ok(written > read, 'what is random does not shrink')
  t.ok(ahead < 2 * mebibyte, `${ahead} bytes ahead`)
})

t.test(
  'a failure to gather is the failure of the archive, and nothing is written after it',
  async (t) => {
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
    const failure = new Error('no more rows')
    const writing = writeZip(sink, new AbortController().signal, async (add) => {
      await add({ name: 'whole', mtime: new Date(), content: [randomBytes(10)] })
      throw failure
    })
    await t.rejects(writing, failure)
    t.ok(sink.destroyed)
    t.notOk(sink.writableFinished)
  },
)

t.test('a failure to write ends the gathering', async (t) => {
  const failure = new Error('the disk is full')
  const sink = new Writable({ write: (_chunk, _encoding, done) => done(failure) })
  let closed = false
  async function* endless() {
    try {
      for (;;) yield randomBytes(64 * 1024)
    } finally {
      closed = true
    }
  }
  const writing = writeZip(sink, new AbortController().signal, async (add) => {
    await add({ name: 'x', mtime: new Date(), content: endless() })
  })
  await t.rejects(writing, failure)
  t.ok(closed)
})
