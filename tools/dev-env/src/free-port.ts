import { createServer } from 'node:net'

// Below the ports that the kernel gives to outgoing connections (32768 and up), so that none of the thousands in a run
// takes a port while its service restarts.
const FIRST_PORT = 10_000
const PORT_COUNT = 20_000

let next = Math.floor(Math.random() * PORT_COUNT)

/** A TCP port on the loopback interface that is free now. This process gets each port once. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_COUNT; tries++) {
    const port = FIRST_PORT + (next++ % PORT_COUNT)
    if (await isPortFree(port)) return port
  }
  throw new Error('No TCP port is free.')
}

export function isPortFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
