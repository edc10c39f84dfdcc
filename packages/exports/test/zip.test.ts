import { createHash, randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { readStamp, STAMP, stampDigest } from '../src/stamp-digest.ts'
import { writeZip } from '../src/zip.ts'

const mebibyte = 1024 * 1024

t.test('content is read only as fast as the sink takes it', async (t) => {
  let [read, written, ahead] = [0, 0, 0]
  async function* content() {
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
      await add({ name: 'whole', mtime: new Date(), content: randomBytes(10) })
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

t.test('an archive ends with the hash of all that comes before its comment', async (t) => {
  // In pieces of every size, so that the end record comes in one piece and in many.
  for (const size of [1, 7, 22, 23, 64 * 1024]) {
    const stamp = stampDigest()
    const zip = Buffer.concat([randomBytes(100), Buffer.alloc(22)])
    const stamped = buffer(stamp)
    for (let at = 0; at < zip.length; at += size) stamp.write(zip.subarray(at, at + size))
    stamp.end()
    const all = await stamped
    const end = all.subarray(-STAMP)
    t.ok(all.subarray(0, -STAMP).equals(zip.subarray(0, -2)), `in pieces of ${size}`)
    t.equal(readStamp(end), createHash('sha256').update(zip.subarray(0, -2)).digest('hex'))
    const { bytes, sha256 } = stamp.result()
    t.equal(bytes, all.length)
    t.ok(sha256.equals(createHash('sha256').update(all).digest()))
  }
})
