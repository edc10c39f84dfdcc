import { createHash } from 'node:crypto'
import { collect } from './collect.ts'
import type { Conversation, Message, Piece } from './conversation.ts'
import { shorten } from './shorten.ts'

/** A message is one command, even in a pipeline; its answer is one reply in RESP2 or RESP3. */
export function redisConversation(): Conversation {
  const nameOf = commandNames()
  return {
    said: collect((bytes) => {
      const command = commandIn(bytes)
      return command && { name: nameOf(command.words), bytes: command.bytes }
    }),
    answered: collect(replyIn),
  }
}

/** Parses an array of length-prefixed strings. */
function commandIn(bytes: Buffer): (Message & { words: string[] }) | undefined {
  const head = lineAt(bytes, 0)
  if (!head) return undefined
  const words: string[] = []
  let at = head.end
  for (let left = Number(head.text.slice(1)); left > 0; left--) {
    const size = lineAt(bytes, at)
    if (!size) return undefined
    const from = size.end
    at = from + Number(size.text.slice(1)) + 2
    if (bytes.length < at) return undefined
    words.push(bytes.toString('latin1', from, at - 2))
  }
  return { words, bytes: bytes.subarray(0, at) }
}

/** The first words of each script by its digest: clients send a script once to each server, then only its digest. */
const scripts = new Map<string, string>()

/** Names a command by its first key, and a script by its key; EXEC includes what it runs. */
function commandNames(): (words: string[]) => string {
  let last = ''
  return ([command = '', first = '', , key = '']) => {
    const verb = command.toLowerCase()
    if (verb === 'exec') return `exec after ${last}`
    if (verb === 'eval') scripts.set(digestOf(first), /[\w ]{12,60}/.exec(first)?.[0].trim() ?? '')
    const script = verb === 'eval' ? digestOf(first) : first
    last = shorten(
      verb.startsWith('eval') ? `${scripts.get(script) ?? script} ${key}` : `${verb} ${first}`,
    )
    return last
  }
}

function digestOf(script: string): string {
  return createHash('sha1').update(script, 'latin1').digest('hex')
}

function lineAt(bytes: Buffer, at: number): { text: string; end: number } | undefined {
  const end = bytes.indexOf('\r\n', at)
  return end < 0 ? undefined : { text: bytes.toString('latin1', at, end), end: end + 2 }
}

function replyIn(all: Buffer): Piece | undefined {
  const end = endOfReply(all, 0)
  const head = lineAt(all, 0)
  if (end === undefined || !head) return undefined
  const bytes = all.subarray(0, end)
  if (head.text.startsWith('>')) return { bytes, aside: true }
  const inner = /^[*~%][1-9]/.test(head.text) ? ` ${lineAt(all, head.end)?.text}` : ''
  return { bytes, answer: head.text + inner }
}

const members: Record<string, number> = { '*': 1, '~': 1, '>': 1, '%': 2 }

function endOfReply(bytes: Buffer, at: number): number | undefined {
  const head = lineAt(bytes, at)
  if (!head) return undefined
  const [type = '', count] = [head.text[0], Number(head.text.slice(1))]
  if ('$=!'.includes(type)) {
    const end = count < 0 ? head.end : head.end + count + 2
    return end <= bytes.length ? end : undefined
  }
  let end: number | undefined = head.end
  for (let left = count * (members[type] ?? 0); left > 0 && end !== undefined; left--)
    end = endOfReply(bytes, end)
  return end
}
