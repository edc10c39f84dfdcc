import { type Duplex, Readable } from 'node:stream'
import type pg from 'pg'
import { byMessages, endOf, HEAD } from './messages.ts'

// Each row of a COPY comes as a message of its own. To make an object of each, as a driver does, takes as long as all else
// that is done with the rows: while a copy lasts, what the server sends is read here, and what is no row handed on.

const [ROW, DONE, ERROR] = [0x64, 0x63, 0x45]

/**
 * The rows of `copy … to stdout`, as fast as they are read: each piece is whole lines. Whoever leaves off before the end cuts
 * the connection: nothing else can be asked on it.
 */
export function copyOut(client: pg.PoolClient, text: string): Readable {
  let socket: Duplex | undefined
  let toDriver = (_messages: Buffer) => {}
  let over = false
  const lines = new Readable({ read: () => void socket?.resume() })

  const receive = byMessages((messages) => {
    let [at, kept] = [0, 0]
    for (let end = 0; at < messages.length && !over; at = end) {
      end = endOf(messages, at)
      const kind = messages[at]
      over = kind === DONE || kind === ERROR
      if (kind !== ROW) toDriver(messages.subarray(at, end))
      else kept += messages.copy(messages, kept, at + HEAD, end)
    }
    if (kept > 0 && !lines.push(messages.subarray(0, kept))) socket?.pause()
    // Nobody reads on where there is nothing any more to read.
    if (over) socket?.resume()
    if (at < messages.length) toDriver(messages.subarray(at))
  })

  const copy: Copy = {
    submit(connection) {
      socket = connection.stream
      const [driver] = socket.listeners('data') as [typeof toDriver]
      toDriver = driver
      socket.off('data', driver).on('data', receive)
      connection.query(text)
    },
    handleError: (error) => void lines.destroy(error),
    handleCommandComplete: () => void lines.push(null),
    // The last that is said of a statement: the server waits for the next one.
    handleReadyForQuery: () => void socket?.off('data', receive).on('data', toDriver),
  }
  client.query(copy)
  return lines
}

/** What the driver tells a query of its own. */
interface Copy extends pg.Submittable {
  handleError(error: Error): void
  handleCommandComplete(): void
  handleReadyForQuery(): void
}
