import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { Mailbox } from './mailbox.ts'

const assets: Record<string, [file: string, type: string]> = {
  '/': ['inbox.html', 'text/html; charset=utf-8'],
  '/inbox.js': ['inbox.js', 'text/javascript; charset=utf-8'],
  '/inbox.css': ['inbox.css', 'text/css; charset=utf-8'],
}
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'"
// A mail is shown without scripts or external content, and isolated from the page.
const mailPolicy =
  "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

// Links in mails carry tokens: a web site whose host name resolves to this machine must not read them.
const ownNames = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/

/** Serves the inbox page, and the mails as JSON at `/api/mails`. */
export async function showMails(
  mailbox: Mailbox,
  host: string,
  port: number,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    answer(mailbox, request, response).catch(() => response.destroy())
  })
  server.listen(port, host)
  await once(server, 'listening')
  const { port: listening } = server.address() as AddressInfo
  return {
    url: `http://${host}:${listening}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function answer(
  mailbox: Mailbox,
  { method, url = '/', headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const send = (status: number, type: string, body: string | Buffer, policy = pagePolicy) => {
    response
      .writeHead(status, {
        'content-type': type,
        'content-security-policy': policy,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      })
      .end(method === 'HEAD' ? undefined : body)
  }
  const asset = assets[url]
  const [, id = '', part = ''] = /^\/api\/mails\/(\d{1,9})\/(source|html)$/.exec(url) ?? []
  const source = mailbox.source(Number(id))
  if (!ownNames.test(headers.host ?? '')) send(421, 'text/plain', 'Open this page at localhost.')
  else if (method !== 'GET' && method !== 'HEAD') send(405, 'text/plain', 'Only GET works here.')
  else if (asset)
    send(200, asset[1], await readFile(path.join(import.meta.dirname, 'assets', asset[0])))
  else if (url === '/api/mails') send(200, 'application/json', JSON.stringify(mailbox.list()))
  else if (source && part === 'source') send(200, 'text/plain; charset=utf-8', source)
  else if (source && part === 'html') {
    const mail = mailbox.list().find((one) => one.id === Number(id))
    // Links of a mail open in a new tab.
    send(200, 'text/html; charset=utf-8', `<base target="_blank">${mail?.html}`, mailPolicy)
  } else send(404, 'text/plain', 'There is no such mail; it may have made room for newer ones.')
}
