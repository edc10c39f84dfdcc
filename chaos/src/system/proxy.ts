import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { messageReader, type Protocol } from './messages.ts'

/**
 * What happens to a message. `drop-before`: the server never sees it. `drop-after`: the server does it, and the client
 * never learns. `hold`: it is swallowed, and the connection stays open in silence. A function is called when the server
 * has answered, in place of the client being told.
 */
export type Fate = 'pass' | 'drop-before' | 'drop-after' | 'hold' | (() => void)

/** Asked for the fate of each message, by its name. */
type Intercept = (message: string) => Fate

export interface FaultProxy {
  port: number
  /** The same URL by way of this proxy. */
  through(url: string): string
  /** One at a time; none lets everything pass. */
  intercept(decide?: Intercept): void
  /** The server is away: connections end, and none can be made. */
  cut(): Promise<void>
  /** The server is there, and silent: connections stay and nothing passes in either direction. */
  freeze(): void
  /** Back from `cut` or `freeze`. */
  mend(): Promise<void>
  /** Ends the connections of this moment. */
  drop(): void
  close(): Promise<void>
}

interface Link {
  near: Socket
  far: Socket
}

/** A way to a TCP server on which it can be away, silent or rude, message by message. */
export async function startFaultProxy(targetUrl: string, protocol: Protocol): Promise<FaultProxy> {
  const target = new URL(targetUrl)
  const links = new Set<Link>()
  let decide: Intercept = () => 'pass'
  let frozen = false
  let server: Server | undefined

  const accept = (near: Socket) => {
    const link = { near, far: connect(Number(target.port), target.hostname) }
    links.add(link)
    for (const socket of [link.near, link.far]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => end(link))
    }
    relay(link, messageReader(protocol))
    if (frozen) pause(link)
  }

  const relay = ({ near, far }: Link, read: ReturnType<typeof messageReader>) => {
    let onAnswer: (() => void) | undefined
    near.on('data', (chunk) => {
      const fate = decide(read(chunk))
      if (fate === 'hold') return
      if (fate === 'drop-before') return end({ near, far })
      if (fate === 'drop-after') onAnswer = () => end({ near, far })
      else if (fate !== 'pass') onAnswer = fate
      if (!far.write(chunk)) pauseUntilDrained(near, far)
    })
    far.on('data', (chunk) => {
      if (onAnswer) {
        const act = onAnswer
        // What comes after the answer is kept from the client too.
        onAnswer = () => {}
        return act()
      }
      if (!near.write(chunk)) pauseUntilDrained(far, near)
    })
  }

  const pauseUntilDrained = (from: Socket, to: Socket) => {
    from.pause()
    to.once('drain', () => !frozen && from.resume())
  }
  const pause = ({ near, far }: Link) => {
    near.pause()
    far.pause()
  }
  const end = (link: Link) => {
    links.delete(link)
    link.near.destroy()
    link.far.destroy()
  }
  const drop = () => {
    for (const link of [...links]) end(link)
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

  const port = await listen(0)
  return {
    port,
    through(url) {
      const way = new URL(url)
      way.host = `127.0.0.1:${port}`
      return way.href
    },
    intercept: (ask = () => 'pass') => {
      decide = ask
    },
    cut,
    freeze() {
      frozen = true
      for (const link of links) pause(link)
    },
    async mend() {
      frozen = false
      // Whatever was held in silence is not told now: those connections are dead to both sides.
      drop()
      if (!server) await listen(port)
    },
    drop,
    close: cut,
  }
}
