import { text } from 'node:stream/consumers'
import { createQueryId, PostgresQueryCompiler, type RawBuilder, sql } from 'kysely'
import { copyOut } from './copy-out.ts'
import { destroyConnection } from './destroy-connection.ts'
import { type ConnectOptions, openPool } from './pool.ts'

/** Connections for long reads, apart from those that everything else waits for. */
export interface SnapshotPool {
  /**
   * Reads these queries as everything stands at one moment. When `signal` aborts, the connection is cut, whatever the server
   * is at.
   */
  snapshot<T>(
    signal: AbortSignal,
    queries: readonly RawBuilder<unknown>[],
    read: (snapshot: Snapshot) => Promise<T>,
  ): Promise<T>
  end(): Promise<void>
}

export interface Snapshot {
  /** When it was taken, by the database's clock. */
  takenAt: Date
  /**
   * The rows of the next query, by whole lines of the text format of COPY, as fast as they are read. All queries are read, and to
   * the end, or `read` throws.
   */
  next(): AsyncIterable<Buffer>
}

export function openSnapshotPool(connectionString: string, options: ConnectOptions): SnapshotPool {
  const pool = openPool(connectionString, {
    ...options,
    settings: {
      // Whoever is cut off, even while they wait for a lock, is noticed within a second.
      client_connection_check_interval: '1s',
      // One processor is enough for what nobody waits for.
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
        // All in one text: of small exports the round trips are what takes long. The first statement takes the snapshot.
        const statements = ['begin isolation level repeatable read read only', ...texts, 'commit']
        const { copies, over } = copyOut(client, statements.join(';'), texts.length)
        const waiting = copies.values()
        const next = () => {
          const { value } = waiting.next()
          if (!value) throw new Error('all queries have been read')
          return value
        }
        const takenAt = new Date(Number(await text(next())))
        const result = await read({ takenAt, next })
        await over
        client.release()
        return result
      } catch (error) {
        // It may be in the middle of a copy that nobody reads any more.
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

/** COPY takes no parameters: what they hold stands in the statement itself. */
function textOf(query: RawBuilder<unknown>): string {
  return new Inlining().compileQuery(query.toOperationNode(), createQueryId()).sql
}

class Inlining extends PostgresQueryCompiler {
  protected override appendValue(value: unknown): void {
    this.appendImmediateValue(value)
  }
}
