import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { headersOf, requestTimeoutMs, type Send } from './client.ts'

/**
 * Sends each request once, over at most `most` keep-alive connections, as a reverse proxy does. `pauseMs` is how long
 * each body pauses half-way.
 */
export function sendOverKept(most: number, pauseMs = () => 0): Send {
  const agent = new Agent({ keepAlive: true, maxSockets: most })
  return (base, ask) =>
    new Promise((resolve) => {
      const body = Buffer.from(ask.body ? JSON.stringify(ask.body) : '')
      const headers = { ...headersOf(ask), ...(ask.body && { 'content-length': body.length }) }
      const sent = request(base + ask.path, { agent, method: ask.method, headers })
      const fail = ({ code, message }: NodeJS.ErrnoException) =>
        resolve({
          failure: `${code ?? message} on a ${sent.reusedSocket ? 'kept' : 'new'} connection`,
          body: {},
        })
      sent.setTimeout(requestTimeoutMs(), () => sent.destroy(new Error('no answer')))
      sent.on('error', fail)
      sent.on('response', (response) => {
        text(response).then(
          (text) =>
            resolve({
              status: response.statusCode ?? 0,
              body: text.startsWith('{') ? JSON.parse(text) : {},
            }),
          fail,
        )
      })
      void writeSlowly()

      async function writeSlowly() {
        const half = Math.floor(body.length / 2)
        if (half > 0) {
          sent.write(body.subarray(0, half))
          await wait(pauseMs())
        }
        sent.end(body.subarray(half))
      }
    })
}
