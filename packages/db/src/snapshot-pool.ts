import { text } from 'node:stream/consumers'
import { createQueryId, PostgresQueryCompiler, type RawBuilder, sql } from 'kysely'
import { copyOut } from './copy-out.ts'
import { destroyConnection } from './destroy-connection.ts'
import { type ConnectOptions, openPool } from './pool.ts'

/** Connections for long reads, separate from those that all other work uses. */
export interface SnapshotPool {
  /**
   * Reads all queries in one snapshot. When `signal` aborts, the connection is destroyed, even if a statement is
   * running.
   */
  snapshot<T>(
    signal: AbortSignal,
    queries: readonly RawBuilder<unknown>[],
    read: (snapshot: Snapshot) => Promise<T>,
  ): Promise<T>
  end(): Promise<void>
}

export interface Snapshot {
  /** When the snapshot was taken, by the database's clock. */
  takenAt: Date
  /**
   * The rows of the next query, as whole lines in COPY's text format, as fast as they are read. The caller must read
   * all queries to the end, or `read` throws.
   */
  next(): AsyncIterable<Buffer>
}

export function openSnapshotPool(connectionString: string, options: ConnectOptions): SnapshotPool {
  const pool = openPool(connectionString, {
    ...options,
    settings: {
      // The server notices a destroyed connection within a second, even while its statement waits for a lock.
      client_connection_check_interval: '1s',
      // Nothing waits for these reads, so one processor is enough.
      max_parallel_workers_per_gather: '0',
    },
  })
  return {
    async snapshot(signal, queries, read) {
      signal.throwIfAborted()
      const client = await pool.connect()
      const cut = () => destroyConnection(client)
      signal.addEventListener('abort', cut, { once: true })
      try {
        signal.throwIfAborted()
        const texts = [now, ...queries].map((query) => `copy (${textOf(query)}) to stdout`)
        // One round trip: for small exports the round trips take the most time. The first statement takes the
        // snapshot.
        const statements = ['begin isolation level repeatable read read only', ...texts, 'commit']
        const { copies, done } = copyOut(client, statements.join(';'), texts.length)
        const waiting = copies.values()
        const next = () => {
          const { value } = waiting.next()
          if (!value) throw new Error('all queries have been read')
          return value
        }
        const takenAt = new Date(Number(await text(next())))
        const result = await read({ takenAt, next })
        await done
        client.release()
        return result
      } catch (error) {
        // The connection may be in the middle of a copy that has no reader.
        cut()
        client.release(true)
        throw error
      } finally {
        signal.removeEventListener('abort', cut)
      }
    },
    end: () => pool.end(),
  }
}

/** In milliseconds since 1970. */
const now = sql`select extract(epoch from now()) * 1000`

/** COPY accepts no parameters, so the statement contains the values as literals. */
function textOf(query: RawBuilder<unknown>): string {
  return new Inlining().compileQuery(query.toOperationNode(), createQueryId()).sql
}

class Inlining extends PostgresQueryCompiler {
  protected override appendValue(value: unknown): void {
    this.appendImmediateValue(value)
  }
}
