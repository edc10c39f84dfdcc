import type { LinkName } from './links.ts'
import type { Checkpoint, ScriptName } from './scripts.ts'

/**
 * `kill`: the server has done it, and whoever asked is killed (-9) before they learn. `drop-before`: the connection ends
 * before the server sees it. `drop-after`: the server has done it, and the connection ends before anybody learns.
 */
export type FaultKind = 'kill' | 'drop-before' | 'drop-after'

/** A message of the system, and how a life leads to it. */
export interface Exchange {
  link: LinkName
  name: string
  script: ScriptName
  /** The step of that life from which on it is waited for. */
  checkpoint: Checkpoint
  /** It was seen to find something to do, and counts only where it does. */
  finds: boolean
}

/** One message and one fault. */
export interface Point extends Exchange {
  fault: FaultKind
}

/** What is said while a service starts is dropped only: it is no path of anybody's life, and killing there is like killing before. */
export function pointsOf(exchange: Exchange): Point[] {
  const faults: FaultKind[] = ['drop-before', 'drop-after']
  if (!startsService(exchange.script)) faults.push('kill')
  return faults.map((fault) => ({ ...exchange, fault }))
}

/** Of the lives in which a service is started. */
export function startsService(script: ScriptName): boolean {
  return script.endsWith('starts')
}

export function formatPoint({ link, name, fault, script, checkpoint }: Point): string {
  return `${fault} ${link} “${name}” (${script}, from ${checkpoint})`
}

/** Whose process is ended by a `kill`. */
export function senderOf(link: LinkName): 'api' | 'worker' {
  return link === 'toApi' || link === 'apiToDatabase' ? 'api' : 'worker'
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
export function pathOf({ link, name, script, checkpoint }: Exchange): Path {
  if (startsService(script)) return 'start'
  if (checkpoint === 'cancels') return 'cancel'
  const found = Object.entries(paths).find(([, says]) => says.test(`${link} ${name}`))
  return (found?.[0] as Path | undefined) ?? 'sweep'
}

/** Whether nobody has to wait until something that is lent and was not begun is free again. */
export function recoversSoon({ fault, link, name }: Point): boolean {
  if (fault === 'kill') return false
  return link === 'workerToDatabase' ? withinWork.test(name) : link !== 'toRedis'
}

const withinWork =
  /begin isolation|audit_events|\/\* erase|offer archives|finish mails|pg_try_advisory/
