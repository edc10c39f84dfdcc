import { collect } from './collect.ts'
import type { Conversation, Message, Piece } from './conversation.ts'
import { shorten } from './shorten.ts'

/**
 * A message is a simple query, or a statement with all its parts (Parse, Bind, Describe, Execute, up to Sync). Its
 * answer ends with ReadyForQuery.
 */
export function postgresConversation(): Conversation {
  const nameOf = statementNames()
  let connected = false
  return {
    said: collect((bytes) => {
      if (connected) return statementIn(bytes, nameOf)
      // The first packet has no type byte; authentication belongs to the same message.
      const size = bytes.length < 4 ? Number.POSITIVE_INFINITY : bytes.readUInt32BE(0)
      if (bytes.length < size) return undefined
      connected = true
      return { name: 'connect', bytes: bytes.subarray(0, size) }
    }),
    answered: collect(answerReader()),
  }
}

/** A frame is a type byte, a length that includes itself, and the body. */
function frameAt(bytes: Buffer, at: number) {
  if (bytes.length < at + 5) return undefined
  const end = at + 1 + bytes.readUInt32BE(at + 1)
  if (bytes.length < end) return undefined
  return { type: String.fromCharCode(bytes[at] ?? 0), body: bytes.subarray(at + 5, end), end }
}

interface Statement {
  /** The SQL of Parse or Query. */
  text?: string
  /** The name of a prepared statement: set by Parse, used by Bind. */
  prepared?: string
  /** The BullMQ queue that its values name. */
  queue?: string
}

function statementIn(bytes: Buffer, nameOf: (said: Statement) => string): Message | undefined {
  const said: Statement = {}
  for (let frame = frameAt(bytes, 0); frame; frame = frameAt(bytes, frame.end)) {
    const { type, body, end } = frame
    const [first = '', second = ''] = body.toString('utf8', 0, 5_000).split('\0')
    if (type === 'P') Object.assign(said, { prepared: first, text: second })
    if (type === 'B') Object.assign(said, { prepared: second }, queueIn(body))
    if (type === 'Q') said.text = first
    const all = bytes.subarray(0, end)
    if (type === 'Q' || type === 'S') return { name: nameOf(said), bytes: all }
    // Authentication and Terminate.
    if (type === 'p' || type === 'X') return { bytes: all }
  }
  return undefined
}

function queueIn(values: Buffer): Pick<Statement, 'queue'> {
  const [, queue] = /lethe-([a-z]+-[a-z]+)/.exec(values.toString('latin1', 0, 2_000)) ?? []
  return queue === undefined ? {} : { queue }
}

// These mean nothing without the statement before them.
const dependent = /^(commit|rollback|fetch|close)\b/i

function statementNames(): (said: Statement) => string {
  const prepared = new Map<string, string>()
  let last = ''
  return ({ text, prepared: id = '', queue }) => {
    if (text !== undefined) prepared.set(id, text)
    const said = shorten(named(text ?? prepared.get(id) ?? '')) + (queue ? ` [${queue}]` : '')
    if (dependent.test(said)) return `${said} after ${last}`
    last = said
    return said
  }
}

/** Removes the schema, which every statement names. */
const named = (text: string) => text.replaceAll(/(?:"public"|\bpublic)\./g, '')

function answerReader(): (bytes: Buffer) => Piece | undefined {
  let tags: string[] = []
  return (bytes) => {
    let whole = 0
    for (let frame = frameAt(bytes, 0); frame; frame = frameAt(bytes, frame.end)) {
      const { type, body, end } = frame
      const aside = isAside(type, body)
      if (aside && whole === 0) return { bytes: bytes.subarray(0, end), aside }
      if (aside) break
      whole = end
      if (type === 'C') tags.push(body.toString('latin1', 0, body.length - 1))
      if (type === 'E') tags.push(`error ${/\0C(\w{5})\0/.exec(body.toString('latin1'))?.[1]}`)
      if (type === 'Z') {
        const answer = tags.join(', ')
        tags = []
        return { bytes: bytes.subarray(0, whole), answer }
      }
    }
    return whole > 0 ? { bytes: bytes.subarray(0, whole) } : undefined
  }
}

/** A notification, or an authentication request, which waits for the client. */
function isAside(type: string, body: Buffer): boolean {
  return type === 'A' || (type === 'R' && body.readUInt32BE(0) !== 0)
}
