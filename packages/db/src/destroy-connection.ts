import type pg from 'pg'

/** As if the network had told of the loss: whoever waits for an answer hears of it, and the pool lets go of it. */
export function destroyConnection(client: pg.ClientBase, error?: Error): void {
  // The type of a pool's clients does not say that they are clients.
  ;(client as pg.Client).connection.stream.destroy(error)
}
