import { createHash, randomBytes } from 'node:crypto'
import { PassThrough, Transform, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { DIGEST_BYTES, readDigest } from '../src/zip/archive-digest.ts'
import { writeZip } from '../src/zip/zip.ts'
import { unzip } from './unzip.ts'

const mebibyte = 1024 * 1024
const time = new Date('2026-02-28T23:59:58Z')

t.test('takes content only as fast as the sink does', async (t) => {
  let [made, written, ahead] = [0, 0, 0]
  const slow = new Writable({
    write(chunk: Buffer, _encoding, done) {
      ahead = Math.max(ahead, made - written)
      written += chunk.length
      setTimeout(done, 1)
    },
  })
  await writeZip(slow, async (openZip) => {
    const entry = await openZip(time).open('x')
    for (let i = 0; i < 256; i++) {
      made += 64 * 1024
      await entry.write(randomBytes(64 * 1024))
    }
    await entry.end()
  })
  t.equal(made, 16 * mebibyte)
  t.ok(written > made, 'random content does not shrink')
  t.ok(ahead < 2 * mebibyte, `${ahead} bytes ahead`)
})

t.test('a failure to collect fails the archive, which stays unreadable', async (t) => {
  const chunks: Buffer[] = []
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      chunks.push(chunk)
      done()
    },
  })
  const failure = new Error('no more rows')
  const writing = writeZip(sink, async (openZip) => {
    await openZip(time).add('whole', randomBytes(10))
    throw failure
  })
  await t.rejects(writing, failure)
  t.notOk(sink.writableFinished)
  await t.rejects(unzip(Buffer.concat(chunks)))
})

t.test('a failure of the sink ends the collecting at any step', async (t) => {
  for (const way of ['open', 'openBeside', 'add'] as const) {
    const failure = new Error('the disk is full')
    let left = 20
    const sink = new Writable({
      write: (_chunk, _encoding, done) => done(left-- > 0 ? null : failure),
    })
    sink.on('error', () => {})
    const writing = writeZip(sink, async (openZip) => {
      const zip = openZip(time)
      for (;;)
        if (way === 'add') await zip.add('x', randomBytes(64 * 1024))
        else {
          const entry = await zip[way]('x')
          try {
            for (let n = 0; n < 40; n++) await entry.write(randomBytes(64 * 1024))
            await entry.end()
          } finally {
            await entry.close()
          }
        }
    })
    await t.rejects(writing, { message: /the disk is full|destroyed/ }, way)
  }
})

t.test('a slow sink that fails or is destroyed does not block the writer', async (t) => {
  for (const way of ['open', 'openBeside'] as const)
    for (const left of [1, 3, 10]) {
      const failure = new Error('the disk is full')
      let taken = 0
      const sink = new Transform({
        highWaterMark: 64 * 1024,
        transform(chunk, _encoding, done) {
          // Nothing reads from the sink: it fills up, and then it is destroyed.
          if (taken++ === left) setTimeout(() => sink.destroy(failure), 5)
          this.push(chunk)
          done()
        },
      })
      sink.on('error', () => {})
      const writing = writeZip(sink, async (openZip) => {
        const entry = await openZip(time)[way]('x')
        try {
          for (let n = 0; n < 400; n++) await entry.write(randomBytes(64 * 1024))
          await entry.end()
        } finally {
          await entry.close()
        }
      })
      setTimeout(() => sink.destroy(failure), 50)
      await t.rejects(writing, `${way}, ${left}`)
    }
})

t.test('an entry written beside another follows it, complete', async (t) => {
  const [one, other] = [randomBytes(3 * mebibyte), Buffer.alloc(5 * mebibyte, 'row\n')]
  const bytes = await writeToBuffer(async (openZip) => {
    const zip = openZip(time)
    await zip.add('before', Buffer.from('a'))
    const [first, second] = [await zip.open('first'), await zip.openBeside('second')]
    for (let at = 0; at < other.length; at += 100_000) {
      if (at < one.length) await first.write(one.subarray(at, at + 100_000))
      await second.write(other.subarray(at, at + 100_000))
    }
    await first.end()
    await second.end()
    for (const entry of [first, second]) await entry.close()
    const stored = await zip.open('stored', { smaller: false })
    await stored.write(one)
    await stored.end()
  })
  const entries = await unzip(bytes)
  t.strictSame([...entries.keys()], ['before', 'first', 'second', 'stored'])
  t.ok(entries.get('first')?.equals(one))
  t.ok(entries.get('second')?.equals(other))
  t.ok(entries.get('stored')?.equals(one))
})

t.test('ends an archive with the hash of all bytes before its comment', async (t) => {
  const sink = new PassThrough()
  const all = buffer(sink)
  const { bytes, sha256 } = await writeZip(sink, async (openZip) => {
    await openZip(time).add('x', randomBytes(100))
  })
  const zip = await all
  const hashOf = (some: Buffer) => createHash('sha256').update(some).digest()
  t.equal(
    readDigest(zip.subarray(-DIGEST_BYTES)),
    hashOf(zip.subarray(0, -DIGEST_BYTES)).toString('hex'),
  )
  t.equal(bytes, zip.length)
  t.ok(sha256.equals(hashOf(zip)))
})

function writeToBuffer(fill: Parameters<typeof writeZip>[1]): Promise<Buffer> {
  const sink = new PassThrough()
  const [all] = [buffer(sink), writeZip(sink, fill)]
  return all
}
