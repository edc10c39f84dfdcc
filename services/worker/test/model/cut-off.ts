import type { Db } from '@lethe/db'

/** At its `statement`-th statement: before it is sent, or when the server has done it and the answer is on its way. */
export interface Cut {
  statement: number
  answerLost: boolean
}

export interface CutOff {
  db: Db
  /** Settles as soon as it has happened. */
  happened: Promise<void>
  wasCut(): boolean
}

/**
 * The database as a process sees it that dies: nothing reaches it from then on, and an open transaction is rolled back.
 * With `recovers` the one statement fails and no other: the process lives on.
 */
export function cutOff(db: Db, { statement, answerLost }: Cut, recovers: boolean): CutOff {
  const happened = Promise.withResolvers<void>()
  let sent = 0
  let cut = false
  const fail = () => {
    cut = true
    happened.resolve()
    throw new ConnectionCut()
  }
  const last = new WeakSet<object>()
  return {
    happened: happened.promise,
    wasCut: () => cut,
    db: db.withPlugin({
      transformQuery({ node, queryId }) {
        sent++
        if (cut && !recovers) fail()
        if (sent === statement) answerLost ? last.add(queryId) : fail()
        return node
      },
      async transformResult({ result, queryId }) {
        if ((cut && !recovers) || last.has(queryId)) fail()
        return result
      },
    }),
  }
}

export class ConnectionCut extends Error {
  override name = 'ConnectionCut'
  readonly code = 'ECONNRESET'
}
