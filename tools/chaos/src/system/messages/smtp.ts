import { collect } from './collect.ts'
import type { Conversation, Message, Piece } from './conversation.ts'

const END_OF_MAIL = '\r\n.\r\n'

/** A message is one line; after the server's 354 it is a mail, up to the line with a single dot. */
export function smtpConversation(): Conversation {
  let mail = false
  return {
    greeted: true,
    said: collect((bytes) => {
      const end = mail ? END_OF_MAIL : '\r\n'
      const at = bytes.indexOf(end)
      if (at < 0) return undefined
      const all = bytes.subarray(0, at + end.length)
      const message = mail ? mailIn(all) : lineIn(all)
      mail = false
      return message
    }),
    answered: collect((bytes) => {
      const line = answerLine(bytes)
      if (line?.answer === '354') mail = true
      return line
    }),
  }
}

function lineIn(bytes: Buffer): Message {
  const [verb = ''] = bytes.toString('latin1', 0, 40).split(/[\s:]/)
  return { name: verb.toUpperCase(), bytes }
}

function mailIn(bytes: Buffer): Message {
  const [, subject = ''] = /^subject: *(.*)/im.exec(bytes.toString()) ?? []
  return { name: `the message: ${subject.replace(/\d.*/, '').trim()}`, bytes }
}

/** The last line of an answer has a space after its code, the others a hyphen. */
function answerLine(bytes: Buffer): Piece | undefined {
  const end = bytes.indexOf('\r\n') + 2
  if (end < 2) return undefined
  const [, answer] = /^(\d{3})[ \r]/.exec(bytes.toString('latin1', 0, end)) ?? []
  return { bytes: bytes.subarray(0, end), answer }
}
