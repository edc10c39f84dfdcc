import { httpConversation } from './messages/http.ts'
import { postgresConversation } from './messages/postgres.ts'
import { redisConversation } from './messages/redis.ts'
import { smtpConversation } from './messages/smtp.ts'

export type Protocol = 'postgres' | 'redis' | 'smtp' | 'http'

/** What a client says as a whole and the server answers as a whole, however TCP cuts it. */
export interface Message {
  /** The same for the same thing said again. None: it has no answer of its own, and means nothing alone. */
  name?: string
  bytes: Buffer
}

/** Some of what the server says, cut where an answer ends. */
export interface Piece {
  bytes: Buffer
  /** That an answer ends here, and what it says in a word: `UPDATE 1`, `error 23505`, `:0`, `250`. */
  answer?: string | undefined
  /** Belongs to no answer, such as a notification. */
  aside?: boolean
}

/** Reads both sides of one connection, each chunk by chunk. Answers come in the order of the messages. */
export interface Conversation {
  said(chunk: Buffer): Message[]
  answered(chunk: Buffer): Piece[]
  /** The server speaks first: to connect is a message, too. */
  greeted?: boolean
}

export function conversation(protocol: Protocol): Conversation {
  return talks[protocol]()
}

const talks = {
  postgres: postgresConversation,
  redis: redisConversation,
  smtp: smtpConversation,
  http: httpConversation,
}
