import { type Duplex, Readable } from 'node:stream'
import type pg from 'pg'
import { byMessages, endOf, HEAD } from './messages.ts'

// Each row of a COPY comes as a message of its own. To make an object of each, as a driver does, takes as long as all else
// that is done with the rows: while copies last, what the server sends is read here, and what is no row handed on.

const [ROW, DONE] = [0x64, 0x63]

export interface CopyOut {
  /** The rows of each copy, as fast as they are read: each piece is whole lines. One copy comes after the other. */
  copies: Readable[]
  /** Settles when the server waits for the next statement. */
  over: Promise<void>
}

/**
 * Sends statements in one text, and so in one round trip, of which `count` are `copy … to stdout`. Whoever leaves off before the
 * end cuts the connection: nothing else can be asked on it.
 */
export function copyOut(client: pg.PoolClient, text: string, count: number): CopyOut {
  let socket: Duplex | undefined
  let toDriver = (_messages: Buffer) => {}
  const { promise: over, resolve, reject } = Promise.withResolvers<void>()
  over.catch(() => {})
  const read = () => void socket?.resume()
  // Whoever has not come to one yet hears of an error when they do.
  const copies = Array.from({ length: count }, () => new Readable({ read }).on('error', () => {}))
  const waiting = copies.values()
  let current = waiting.next().value

  const receive = byMessages((messages) => {
    let [from, to] = [0, 0]
    const passOn = () => {
      if (from < to && current?.push(messages.subarray(from, to)) === false) socket?.pause()
      from = to
    }
    for (let [at, end] = [0, 0]; at < messages.length; at = end) {
      end = endOf(messages, at)
      if (messages[at] === ROW) {
        // Rows are moved together, over the heads between them.
        to += messages.copy(messages, to, at + HEAD, end)
        continue
      }
      if (messages[at] === DONE) {
        passOn()
        current?.push(null)
        current = waiting.next().value
        // Nobody reads on where there is nothing any more to read.
        socket?.resume()
      }
      toDriver(messages.subarray(at, end))
    }
    passOn()
  })

  const statements: Statements = {
    submit(connection) {
      socket = connection.stream
      const [driver] = socket.listeners('data') as [typeof toDriver]
      toDriver = driver
      socket.off('data', driver).on('data', receive)
      connection.query(text)
    },
    handleError(error) {
      current = undefined
      for (const copy of copies) copy.destroy(error)
      reject(error)
    },
    handleCommandComplete() {},
    handleReadyForQuery() {
      socket?.off('data', receive).on('data', toDriver)
      resolve()
    },
  }
  client.query(statements)
  return { copies, over }
}

/** What the driver tells of statements that are read by somebody else. */
interface Statements extends pg.Submittable {
  handleError(error: Error): void
  handleCommandComplete(): void
  handleReadyForQuery(): void
}
