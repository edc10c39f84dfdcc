import type { LifeName, Step } from './scripts.ts'

/** From the person to the API, from the services to what they use. */
export const ways = ['toApi', 'apiToDatabase', 'workerToDatabase', 'toRedis', 'toMail'] as const
export type Way = (typeof ways)[number]

/**
 * `kill`: the server has done it, and whoever asked is killed (-9) before they learn. `drop-before`: the connection ends
 * before the server sees it. `drop-after`: the server has done it, and the connection ends before anybody learns.
 */
export type Fault = 'kill' | 'drop-before' | 'drop-after'

/** A message of the system, and how a life leads to it. */
export interface Exchange {
  way: Way
  name: string
  life: LifeName
  /** The step of that life from which on it is waited for. */
  step: Step
  /** It was seen to find something to do, and counts only where it does. */
  finds: boolean
}

/** One message and one fault. */
export interface Point extends Exchange {
  fault: Fault
}

/** What is said while a service starts is dropped only: it is no path of anybody's life, and killing there is like killing before. */
export function pointsOf(exchange: Exchange): Point[] {
  const faults: Fault[] = ['drop-before', 'drop-after']
  if (!starts(exchange.life)) faults.push('kill')
  return faults.map((fault) => ({ ...exchange, fault }))
}

/** Of the lives in which a service is started. */
export function starts(life: LifeName): boolean {
  return life.endsWith('starts')
}

export function inWords({ way, name, fault, life, step }: Point): string {
  return `${fault} ${way} “${name}” (${life}, from ${step})`
}

/** Whose process is ended by a `kill`. */
export function speaker(way: Way): 'api' | 'worker' {
  return way === 'toApi' || way === 'apiToDatabase' ? 'api' : 'worker'
}

/** Of the answers that say of themselves that nothing was found: no row, no job. */
export function isEmpty(answer: string): boolean {
  return /(^| )([*$:]?0|_|[*$]-1)$/.test(answer)
}

const paths = {
  request: /^(toApi DELETE|apiToDatabase)/,
  cancel: /^toApi POST/,
  claim: /from "deletions" as d|erase-accounts|with mine as|breaker/,
  erase:
    /(update|from) "?deletions"? (set|where)|\/\* erase|pg_constraint|relkind|'account-erased'|set address =|exports set user_id|insert into "audit_events"|as files|named files|record findings/,
  export:
    /export-accounts|begin isolation|"exports" as d|update "exports" set (lease|next)|take exports|record attempts|from "exports"|offer archives/,
  relay: /from "outbox" as d|(Get counts|Adds a job|FROM add_jobs_bulk|COUNT\().*send-mail/,
  mail: /^toMail|"outbox"|(take|from) outbox|(read|finish) mails|rate_limits as r|send-mail/,
}
export type Path = keyof typeof paths | 'sweep' | 'start'

/** Which of the paths it belongs to; the sweep has what is nobody's. */
export function pathOf({ way, name, life, step }: Exchange): Path {
  if (starts(life)) return 'start'
  if (step === 'cancels') return 'cancel'
  const found = Object.entries(paths).find(([, says]) => says.test(`${way} ${name}`))
  return (found?.[0] as Path | undefined) ?? 'sweep'
}

/** Whether nobody has to wait until something that is lent and was not begun is free again. */
export function recoversSoon({ fault, way, name }: Point): boolean {
  if (fault === 'kill') return false
  return way === 'workerToDatabase' ? withinWork.test(name) : way !== 'toRedis'
}

const withinWork =
  /begin isolation|audit_events|\/\* erase|offer archives|finish mails|pg_try_advisory/
