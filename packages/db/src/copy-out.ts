import { type Duplex, Readable } from 'node:stream'
import type pg from 'pg'
import { endOfMessage, HEADER_SIZE, splitMessages } from './messages.ts'

// Each row of a COPY is a message of its own. Creating an object for each, as the driver does, takes as long as all
// other work on the rows. While copies run, this code reads the socket itself and passes only other messages to the
// driver.

const [ROW, DONE] = [0x64, 0x63]

export interface CopyOut {
  /** One stream per copy, one after the other. Each chunk holds whole lines and arrives as fast as it is read. */
  copies: Readable[]
  /** Settles when the server is ready for the next statement. */
  done: Promise<void>
}

/**
 * Sends several statements as one text, in one round trip; `count` of them are `copy … to stdout`. A caller that
 * stops before the end must destroy the connection, because it cannot be used again.
 */
export function copyOut(client: pg.PoolClient, text: string, count: number): CopyOut {
  let socket: Duplex | undefined
  let passToDriver = (_messages: Buffer) => {}
  const { promise: done, resolve, reject } = Promise.withResolvers<void>()
  done.catch(() => {})
  const read = () => void socket?.resume()
  // The listener keeps an error of a copy that no reader has reached yet from ending the process.
  const copies = Array.from({ length: count }, () => new Readable({ read }).on('error', () => {}))
  const remaining = copies.values()
  let current = remaining.next().value

  const receive = splitMessages((messages) => {
    let [from, to] = [0, 0]
    const passOn = () => {
      if (from < to && current?.push(messages.subarray(from, to)) === false) socket?.pause()
      from = to
    }
    for (let [at, end] = [0, 0]; at < messages.length; at = end) {
      end = endOfMessage(messages, at)
      if (messages[at] === ROW) {
        // Closes the gaps that the headers leave between the rows.
        to += messages.copy(messages, to, at + HEADER_SIZE, end)
        continue
      }
      if (messages[at] === DONE) {
        passOn()
        current?.push(null)
        current = remaining.next().value
        // A stream that has ended requests no more data, so the socket resumes here for the next copy.
        socket?.resume()
      }
      passToDriver(messages.subarray(at, end))
    }
    passOn()
  })

  const statements: Statements = {
    submit(connection) {
      socket = connection.stream
      const [driver] = socket.listeners('data') as [typeof passToDriver]
      passToDriver = driver
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
      socket?.off('data', receive).on('data', passToDriver)
      resolve()
    },
  }
  client.query(statements)
  return { copies, done }
}

/** The callbacks that the driver calls for a statement whose rows it does not read. */
interface Statements extends pg.Submittable {
  handleError(error: Error): void
  handleCommandComplete(): void
  handleReadyForQuery(): void
}
