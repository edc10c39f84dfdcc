import type { Readable, Writable } from 'node:stream'

/** Stores sealed archives. */
export interface Storage {
  /**
   * Stores what `write` writes to the sink. The archive can be read only after all of it is stored durably; a failure leaves
   * nothing that can be read.
   */
  put(name: string, signal: AbortSignal, write: (sink: Writable) => Promise<void>): Promise<void>
  /** Undefined if no archive has this name. */
  open(name: string): Promise<Stored | undefined>
  /** When the archive, complete or partial, was last written; undefined if it does not exist. */
  modifiedAt(name: string): Promise<Date | undefined>
  /** Removes the archives, also partial ones. Idempotent. */
  remove(names: string[]): Promise<void>
  /** The names of all archives, complete or partial, in batches. Each batch is read after the caller has handled the last. */
  list(): AsyncIterable<string[]>
}

/** An open archive. The caller must close it, whether it reads or not. */
export interface Stored {
  /** In bytes. */
  size: number
  /** Reads from byte `first` to byte `last`, both included. */
  read(first: number, last: number): Readable
  close(): Promise<void>
}
