import type pg from 'pg'

/** Destroys the socket as if the network had failed: pending queries reject, and the pool drops the client. */
export function destroyConnection(client: pg.ClientBase, error?: Error): void {
  // The type of a pooled client omits the `connection` of `Client`.
  ;(client as pg.Client).connection.stream.destroy(error)
}
