import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'

/** A job contains only a lease. The leased rows say what to do. */
const Leased = Type.Object(
  { lease: Type.String({ format: 'uuid' }) },
  { additionalProperties: false },
)

/** Every job and its payload: the type for producers and handlers, and the check at run time. */
export const jobs = {
  /** One row of `outbox`. */
  'send-mail': Leased,
  /** A batch of rows of `exports` under one lease. */
  'export-accounts': Leased,
  /** A batch of rows of `deletions` under one lease. */
  'erase-accounts': Leased,
} as const

export type JobName = keyof typeof jobs
export type Payload<N extends JobName> = Static<(typeof jobs)[N]>

/** One handler for each job; a map that lacks one does not compile. */
export type Handlers = { [N in JobName]: (payload: Payload<N>) => Promise<void> }

export const jobNames = Object.keys(jobs) as JobName[]

export function isPayload<N extends JobName>(name: N, data: unknown): data is Payload<N> {
  return Value.Check(jobs[name], data)
}
