/** One complete message of a client, however TCP splits it; the server answers it as a whole. */
export interface Message {
  /** Equal for equal messages. Missing: the message has no answer of its own and means nothing alone. */
  name?: string
  bytes: Buffer
}

/** A part of what the server sends, cut where an answer ends. */
export interface Piece {
  bytes: Buffer
  /** Set where an answer ends here: its summary, such as `UPDATE 1`, `error 23505`, `:0` or `250`. */
  answer?: string | undefined
  /** Belongs to no answer, such as a notification. */
  aside?: boolean
}

/** Parses both sides of one connection, chunk by chunk. Answers come in the order of the messages. */
export interface Conversation {
  said(chunk: Buffer): Message[]
  answered(chunk: Buffer): Piece[]
  /** The server speaks first, so connecting counts as a message. */
  greeted?: boolean
}
