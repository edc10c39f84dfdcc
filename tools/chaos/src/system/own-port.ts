import { createServer } from 'node:net'

// Below those that the kernel gives to outgoing connections: none of the thousands in a run takes one while its service
// is being started again.
const FIRST = 10_000
const COUNT = 20_000

let next = Math.floor(Math.random() * COUNT)

/** A TCP port on the loopback interface that nobody holds, given out once. */
export async function ownPort(): Promise<number> {
  for (let tries = 0; tries < COUNT; tries++) {
    const port = FIRST + (next++ % COUNT)
    if (await isFree(port)) return port
  }
  throw new Error('No TCP port is free.')
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
