import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '@lethe/dev-env'
import { type Conversation, type Message, openConversation, type Protocol } from './messages.ts'

/**
 * What happens to a message. `drop-before`: the server never sees it. `drop-after`: the server acts and the client
 * never learns. `hold`: the message is swallowed and the connection stays open. A function gets a summary of the
 * server's answer, which the client does not see unless it returns `pass`.
 */
export type Fate =
  | 'pass'
  | 'drop-before'
  | 'drop-after'
  | 'hold'
  | (() => void)
  | ((answer: string) => 'pass' | 'drop' | 'silence')

/** Decides the fate of each message by its name. */
type Intercept = (message: string) => Fate

export interface FaultProxy {
  port: number
  /** The same URL through this proxy. */
  through(url: string): string
  /** Replaces the current function; without one, every message passes. */
  intercept(decide?: Intercept): void
  /** Makes the server unreachable: connections end and new ones are refused. */
  cut(): Promise<void>
  /** Makes the server silent: connections stay and no data passes in either direction. */
  freeze(): void
  /** Ends `cut` or `freeze`. */
  mend(): Promise<void>
  /** Ends `freeze` and delivers what was held, as after a network pause. */
  thaw(): void
  /** Ends all current connections. */
  drop(): void
  close(): Promise<void>
}

interface Connection {
  near: Socket
  far: Socket
}

/** A message that the server received, with its answer while that is held back. */
interface Awaited {
  fate: Exclude<Fate, 'hold' | 'drop-before'>
  answer: Buffer[]
}

/** Starts a proxy in front of a TCP server that can be unreachable, silent or faulty for single messages. */
export async function startFaultProxy(targetUrl: string, protocol: Protocol): Promise<FaultProxy> {
  const target = new URL(targetUrl)
  const connections = new Set<Connection>()
  let decide: Intercept = () => 'pass'
  let frozen = false
  let server: Server | undefined

  const accept = (near: Socket) => {
    const connection = { near, far: connect(Number(target.port), target.hostname) }
    connections.add(connection)
    for (const socket of [connection.near, connection.far]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => end(connection))
    }
    relay(connection, openConversation(protocol))
    if (frozen) pause(connection)
  }

  const relay = (connection: Connection, { said, answered, greeted }: Conversation) => {
    const { near, far } = connection
    const awaited: Awaited[] = []
    let silent = false
    const sendToServer = ({ name, bytes }: Message) => {
      const fate = name === undefined ? 'pass' : decide(name)
      if (fate === 'hold') return
      if (fate === 'drop-before') return end(connection)
      if (name !== undefined) awaited.push({ fate, answer: [] })
      if (!far.write(bytes)) pauseUntilDrained(near, far)
    }
    const sendToClient = (bytes: Buffer) => {
      if (!near.write(bytes)) pauseUntilDrained(far, near)
    }
    const answer = ({ fate, answer }: Awaited, inAWord: string) => {
      if (fate === 'pass') return
      const then = fate === 'drop-after' ? 'drop' : fate(inAWord)
      if (then === 'drop') end(connection)
      else if (then === 'pass') for (const bytes of answer) sendToClient(bytes)
      else silent = true
    }
    if (greeted) sendToServer({ name: 'connect', bytes: Buffer.alloc(0) })
    near.on('data', (chunk) => {
      for (const message of said(chunk)) if (connections.has(connection)) sendToServer(message)
    })
    far.on('data', (chunk) => {
      for (const piece of answered(chunk)) {
        if (silent || !connections.has(connection)) return
        const [first] = awaited
        if (!first || first.fate === 'pass' || piece.aside) sendToClient(piece.bytes)
        else first.answer.push(piece.bytes)
        if (piece.answer === undefined || !first) continue
        awaited.shift()
        answer(first, piece.answer)
      }
    })
  }

  const pauseUntilDrained = (from: Socket, to: Socket) => {
    if (from.isPaused()) return
    from.pause()
    to.once('drain', () => !frozen && from.resume())
  }
  const pause = ({ near, far }: Connection) => {
    near.pause()
    far.pause()
  }
  const end = (connection: Connection) => {
    connections.delete(connection)
    connection.near.destroy()
    connection.far.destroy()
  }
  const drop = () => {
    for (const connection of [...connections]) end(connection)
  }
  const listen = async (port: number) => {
    server = createServer(accept)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const cut = async () => {
    const closing = server
    server = undefined
    closing?.close()
    drop()
    if (closing) await once(closing, 'close')
  }

  const port = await listen(await freePort())
  return {
    port,
    through(url) {
      const proxied = new URL(url)
      proxied.host = `127.0.0.1:${port}`
      return proxied.href
    },
    intercept: (ask = () => 'pass') => {
      decide = ask
    },
    cut,
    freeze() {
      frozen = true
      for (const connection of connections) pause(connection)
    },
    async mend() {
      frozen = false
      // Both sides treat silent connections as dead, so the held data is not delivered.
      drop()
      if (!server) await listen(port)
    },
    thaw() {
      frozen = false
      for (const { near, far } of connections) {
        near.resume()
        far.resume()
      }
    },
    drop,
    close: cut,
  }
}
