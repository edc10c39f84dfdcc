import type pg from 'pg'

/** As if the network had told of the loss: whoever waits for an answer hears of it, and the pool lets go of it. */
export function cutOff(client: pg.Client | pg.PoolClient, error?: Error): void {
  // A pool's clients are clients; their type does not say so.
  ;(client as pg.Client).connection.stream.destroy(error)
}
