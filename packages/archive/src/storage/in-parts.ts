import { Writable } from 'node:stream'

/** Of each part but the last; S3 takes 5 MiB and more, and 10,000 of them: 80 GB. */
export const PART = 8 * 1024 * 1024
const AT_ONCE = 2

export interface Parts<Sent> {
  sink: Writable
  /** Sends what is left, and answers when all parts are there: one at least, and be it empty. */
  finish(): Promise<Sent[]>
  /** When nothing is under way any more, however it went. */
  settled(): Promise<unknown>
}

/**
 * Cuts what is written into parts. No more than two are under way, while one more is filled: nothing else is held. A part is
 * the sender's until it is sent, and then filled again: left to the garbage collector, they would pile up.
 */
export function inParts<Sent>(send: (number: number, part: Buffer) => Promise<Sent>): Parts<Sent> {
  const sent: Promise<Sent>[] = []
  const free: Buffer[] = []
  let part: Buffer | undefined
  let filled = 0

  const sendPart = async () => {
    await sent.at(-AT_ONCE)
    const full = part ?? Buffer.alloc(0)
    const sending = send(sent.length + 1, full.subarray(0, filled))
    sent.push(sending)
    // That it failed is told by a later write, or by `finish`.
    sending.then(
      () => free.push(full),
      () => {},
    )
    part = undefined
    filled = 0
  }
  const take = async (chunk: Buffer) => {
    for (let rest = chunk; rest.length > 0; ) {
      part ??= free.pop() ?? Buffer.allocUnsafe(PART)
      const copied = rest.copy(part, filled)
      filled += copied
      rest = rest.subarray(copied)
      if (filled === PART) await sendPart()
    }
  }
  return {
    sink: new Writable({
      write(chunk: Buffer, _encoding, done) {
        take(chunk).then(() => done(), done)
      },
    }),
    async finish() {
      if (filled > 0 || sent.length === 0) await sendPart()
      return Promise.all(sent)
    },
    settled: () => Promise.allSettled(sent),
  }
}
