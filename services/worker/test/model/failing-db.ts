import type { Db } from '@lethe/db'

/** The number of the failing statement. It fails before it is sent, or, if `answerLost`, after the server has executed it. */
export interface FailurePoint {
  statement: number
  answerLost: boolean
}

export interface FailingDb {
  db: Db
  /** Resolves as soon as the statement has failed. */
  failed: Promise<void>
}

/**
 * The database as a crashing process sees it: from the failure on, every statement fails and an open transaction is rolled
 * back. With `recovers`, only the one statement fails.
 */
export function createFailingDb(
  db: Db,
  { statement, answerLost }: FailurePoint,
  recovers: boolean,
): FailingDb {
  const failed = Promise.withResolvers<void>()
  let sent = 0
  let hasFailed = false
  const fail = () => {
    hasFailed = true
    failed.resolve()
    throw new ConnectionCutError()
  }
  const last = new WeakSet<object>()
  return {
    failed: failed.promise,

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
