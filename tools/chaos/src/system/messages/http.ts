import { collect } from './collect.ts'
import type { Conversation } from './conversation.ts'

/** A message is a request. Both sides must send Content-Length. */
export function httpConversation(): Conversation {
  return {
    said: collect((bytes) => {
      const request = wholeIn(bytes)
      if (!request) return undefined
      const [method = '', path = ''] = request.words
      return { name: `${method} ${path.replace(/\/\d+/g, '/#')}`, bytes: request.bytes }
    }),
    answered: collect((bytes) => {
      const answer = wholeIn(bytes)
      return answer && { bytes: answer.bytes, answer: answer.words[1] }
    }),
  }
}

/** The words of the first line, and all bytes up to the end of the body. */
function wholeIn(bytes: Buffer): { words: string[]; bytes: Buffer } | undefined {
  const body = bytes.indexOf('\r\n\r\n') + 4
  if (body < 4) return undefined
  const head = bytes.toString('latin1', 0, body)
  const end = body + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
  if (bytes.length < end) return undefined
  return { words: head.slice(0, head.indexOf('\r')).split(' '), bytes: bytes.subarray(0, end) }
}
