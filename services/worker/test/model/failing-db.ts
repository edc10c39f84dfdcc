import type { Db } from '@lethe/db'

/** At its `statement`-th statement: before it is sent, or when the server has done it and the answer is on its way. */
export interface FailurePoint {
  statement: number
  answerLost: boolean
}

export interface FailingDb {
  db: Db
  /** Settles as soon as it has happened. */
  failed: Promise<void>
  wasCut(): boolean
}

/**
 * The database as a process sees it that dies: nothing reaches it from then on, and an open transaction is rolled back.
 * With `recovers` the one statement fails and no other: the process lives on.
 */
export function createFailingDb(
  db: Db,
  { statement, answerLost }: FailurePoint,
  recovers: boolean,
): FailingDb {
  const happened = Promise.withResolvers<void>()
  let sent = 0
  let hasFailed = false
  const fail = () => {
    hasFailed = true
    happened.resolve()
    throw new ConnectionCutError()
  }
  const last = new WeakSet<object>()
  return {
    failed: happened.promise,
    wasCut: () => hasFailed,
    db: db.withPlugin({
      transformQuery({ node, queryId }) {
        sent++
        if (hasFailed && !recovers) fail()
        if (sent === statement) answerLost ? last.add(queryId) : fail()
        return node
      },
      async transformResult({ result, queryId }) {
        if ((hasFailed && !recovers) || last.has(queryId)) fail()
        return result
      },
    }),
  }
}

export class ConnectionCutError extends Error {
  override name = 'ConnectionCut'
  readonly code = 'ECONNRESET'
}
