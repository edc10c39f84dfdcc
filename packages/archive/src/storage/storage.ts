import type { Readable, Writable } from 'node:stream'

/** Where archives lie, sealed. */
export interface Storage {
  /**
   * Stores what `write` puts into the sink. It can be read under its name once all of it is there for good, and never before:
   * whatever goes wrong leaves nothing that can be read.
   */
  put(name: string, signal: AbortSignal, write: (sink: Writable) => Promise<void>): Promise<void>
  /** Undefined where there is none of this name. */
  open(name: string): Promise<Stored | undefined>
  /** When what goes by this name, whole or begun, was last written; undefined where nothing does. */
  modifiedAt(name: string): Promise<Date | undefined>
  /** For good; safe to run twice. What of it is being written goes too. */
  remove(names: string[]): Promise<void>
  /** The names of all that lies there, whole or begun, in portions: each is looked for when the one before was dealt with. */
  list(): AsyncIterable<string[]>
}

/** Whoever opens it reads from it or not, and closes it. */
export interface Stored {
  /** In bytes. */
  size: number
  /** From the first to the last of these bytes, both included. */
  read(first: number, last: number): Readable
  close(): Promise<void>
}
