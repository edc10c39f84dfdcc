import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createPartSink, PART_BYTES } from '../src/storage/in-parts.ts'

t.test('splits the bytes into parts of 8 MiB, in order', async (t) => {
  for (const size of [
    0,
    1,
    PART_BYTES - 1,
    PART_BYTES,
    PART_BYTES + 1,
    3 * PART_BYTES,
    3 * PART_BYTES + 5,
  ]) {
    const bytes = randomBytes(size)
    const parts = createPartSink(async (number, part) => ({ number, part: Buffer.from(part) }))
    await pipeline(Readable.from(chunksOf(bytes, 1_000_003), { objectMode: false }), parts.sink)
    const sent = await parts.finish()
    t.ok(bytes.equals(Buffer.concat(sent.map(({ part }) => part))), `${size} bytes`)
    t.strictSame(
      sent.map(({ number }) => number),
      Array.from({ length: Math.max(1, Math.ceil(size / PART_BYTES)) }, (_, at) => at + 1),
    )
  }
})

t.test(
  'sends at most two parts at a time and holds at most three, at any speed of writing',
  async (t) => {
    let underWay = 0
    let most = 0
    const held = new Set<ArrayBufferLike>()
    const parts = createPartSink(async (_number, part) => {
      held.add(part.buffer)
      most = Math.max(most, ++underWay)
      for (let turn = 0; turn < 50; turn++) await setImmediate()
      underWay--
    })
    await pipeline(
      Readable.from(chunksOf(Buffer.alloc(6 * PART_BYTES), PART_BYTES / 2)),
      parts.sink,
    )
    await parts.finish()
    t.strictSame([most, underWay, held.size], [2, 0, 3])
  },
)

t.test('a failed part ends the writing, and its error is reported', async (t) => {
  const reason = new Error('the server is full')
  const parts = createPartSink(async (number) => {
    await setImmediate()
    if (number === 2) throw reason
  })
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(PART_BYTES)
    })(),
  )
  await t.rejects(pipeline(endless, parts.sink), reason)
  await parts.settled()
  const last = createPartSink(() => Promise.reject(reason))
  last.sink.end('x')
  await t.rejects(last.finish(), reason)
})

function* chunksOf(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
