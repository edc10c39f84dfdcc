import { Writable } from 'node:stream'

/** The size of each part but the last. S3 requires at least 5 MiB and at most 10,000 parts, so this allows 80 GB. */
export const PART_BYTES = 8 * 1024 * 1024
const MAX_CONCURRENT_PARTS = 2

export interface Parts<Sent> {
  sink: Writable
  /** Sends the rest and resolves when all parts are sent. There is always at least one part, which may be empty. */
  finish(): Promise<Sent[]>
  /** Resolves when no part is being sent, whether the parts succeeded or failed. */
  settled(): Promise<unknown>
}

/**
 * Splits what is written into parts. At most two parts are being sent while a third one is filled. The buffer of a sent part
 * is reused: garbage-collected buffers would pile up.
 */
export function createPartSink<Sent>(
  send: (number: number, part: Buffer) => Promise<Sent>,
): Parts<Sent> {
  const sent: Promise<Sent>[] = []
  const free: Buffer[] = []
  let part: Buffer | undefined
  let filled = 0

  const sendPart = async () => {
    await sent.at(-MAX_CONCURRENT_PARTS)
    const full = part ?? Buffer.alloc(0)
    const sending = send(sent.length + 1, full.subarray(0, filled))
    sent.push(sending)
    // A later write, or `finish`, reports a failure.
    sending.then(
      () => free.push(full),
      () => {},
    )
    part = undefined
    filled = 0
  }
  const write = async (chunk: Buffer) => {
    for (let rest = chunk; rest.length > 0; ) {
      part ??= free.pop() ?? Buffer.allocUnsafe(PART_BYTES)
      const copied = rest.copy(part, filled)
      filled += copied
      rest = rest.subarray(copied)
      if (filled === PART_BYTES) await sendPart()
    }
  }
  return {
    sink: new Writable({
      write(chunk: Buffer, _encoding, done) {
        write(chunk).then(() => done(), done)
      },
    }),
    async finish() {
      if (filled > 0 || sent.length === 0) await sendPart()
      return Promise.all(sent)
    },
    settled: () => Promise.allSettled(sent),
  }
}
