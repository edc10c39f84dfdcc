import { createQueryId, PostgresQueryCompiler, type RawBuilder } from 'kysely'
import type pg from 'pg'
import { type ConnectOptions, openPool } from './client.ts'
import { copyOut } from './copy-out.ts'
import { cutOff } from './cut-off.ts'

/** Connections for long reads, apart from those that everything else waits for. */
export interface Readers {
  /** Reads everything as it stands at one moment. When `signal` aborts, the connection is cut, whatever the server is at. */
  snapshot<T>(signal: AbortSignal, read: (snapshot: Snapshot) => Promise<T>): Promise<T>
  end(): Promise<void>
}

export interface Snapshot {
  /** When it was taken, by the database's clock. */
  takenAt: Date
  /** The rows of a query in the text format of COPY, as fast as they are read, by whole lines. One query at a time. */
  copy(query: RawBuilder<unknown>): AsyncIterable<Buffer>
}

export function connectReaders(connectionString: string, options: ConnectOptions): Readers {
  const pool = openPool(connectionString, options, {
    // Whoever is cut off, even while they wait for a lock, is noticed within a second.
    client_connection_check_interval: '1s',
    // One processor is enough for what nobody waits for.
    max_parallel_workers_per_gather: '0',
  })
  return {
    async snapshot(signal, read) {
      signal.throwIfAborted()
      const client = await pool.connect()
      const cut = () => cutOff(client)
      signal.addEventListener('abort', cut, { once: true })
      try {
        signal.throwIfAborted()
        const takenAt = await begin(client)
        const copy = (query: RawBuilder<unknown>) =>
          copyOut(client, `copy (${textOf(query)}) to stdout`)
        const result = await read({ takenAt, copy })
        await client.query('commit')
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

/** The first statement takes the snapshot; both go in one text, which is one round trip. */
async function begin(client: pg.PoolClient): Promise<Date> {
  const results = (await client.query(
    'begin isolation level repeatable read read only; select now()',
  )) as unknown as { rows: { now: Date }[] }[]
  const now = results.at(-1)?.rows[0]?.now
  if (!now) throw new Error('the database did not say what time it is')
  return now
}

/** COPY takes no parameters: what they hold stands in the statement itself. */
function textOf(query: RawBuilder<unknown>): string {
  return new Inlining().compileQuery(query.toOperationNode(), createQueryId()).sql
}

class Inlining extends PostgresQueryCompiler {
  protected override appendValue(value: unknown): void {
    this.appendImmediateValue(value)
  }
}
