import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import { freePort, UserFacingError } from '@lethe/dev-env'

export interface ListenAddress {
  /** The variable that sets the port. */
  variable: string
  host: string
  port: number
}

/** Replaces port 0 by a free port, as the services do. */
export async function resolvePort(place: ListenAddress): Promise<ListenAddress> {
  return place.port === 0 ? { ...place, port: await freePort() } : place
}

/** Throws one line before the start if a port is taken, instead of failing half-way. */
export async function requireFree(places: ListenAddress[]): Promise<void> {
  for (const { variable, host, port } of places) {
    const taken = places.find((other) => other.port === port && other.variable !== variable)
    if (taken)
      throw new UserFacingError(
        `${variable} and ${taken.variable} are both ${port}: set one of them to another port.`,
      )
    const server = createServer()
    server.listen(port, host)
    try {
      await once(server, 'listening')
    } catch (error) {
      throw new UserFacingError(
        reason((error as NodeJS.ErrnoException).code, { variable, host, port }),
      )
    }
    server.close()
    await once(server, 'close')
  }
}

function reason(code: string | undefined, { variable, host, port }: ListenAddress): string {
  if (code === 'EADDRINUSE')
    return `Port ${port} is taken: stop what listens there, or set ${variable} to another port.`
  if (code === 'EACCES')
    return `Port ${port} is not for ordinary users: set ${variable} to one above 1023.`
  return `Nothing can listen on ${host}, port ${port} (${code}): set ${variable}, or the host beside it, to another.`
}

/** Returns a URL that works on this machine: a server that listens on all addresses listens on loopback too. */
export function urlOf({ host, port }: ListenAddress): string {
  const name =
    { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[host] ?? (isIPv6(host) ? `[${host}]` : host)
  return `http://${name}:${port}`
}

/** The same URL as a person writes it. */
export function shownUrlOf(place: ListenAddress): string {
  return urlOf(place).replace('//127.0.0.1:', '//localhost:')
}
