import type { LinkName } from './links.ts'
import type { Checkpoint, ScriptName } from './scripts.ts'

/**
 * `kill`: the server has acted, and the client process is killed (-9) before it learns. `drop-before`: the connection
 * ends before the server sees the message. `drop-after`: the server has acted, and the connection ends before the
 * client learns.
 */
export type FaultKind = 'kill' | 'drop-before' | 'drop-after'

/** A message between components, and the script that leads to it. */
export interface Exchange {
  link: LinkName
  name: string
  script: ScriptName
  /** The checkpoint of the script from which on the failpoint is armed. */
  checkpoint: Checkpoint
  /** The message was observed to find work; the failpoint fires only when it does. */
  finds: boolean
}

/** One message and one fault. */
export interface Point extends Exchange {
  fault: FaultKind
}

/** Messages of a service start are only dropped: a kill there equals a kill before the start. */
export function pointsOf(exchange: Exchange): Point[] {
  const faults: FaultKind[] = ['drop-before', 'drop-after']
  if (!startsService(exchange.script)) faults.push('kill')
  return faults.map((fault) => ({ ...exchange, fault }))
}

/** Whether the script starts a service. */
export function startsService(script: ScriptName): boolean {
  return script.endsWith('starts')
}

export function formatPoint({ link, name, fault, script, checkpoint }: Point): string {
  return `${fault} ${link} “${name}” (${script}, from ${checkpoint})`
}

/** The service that a `kill` ends. */
export function senderOf(link: LinkName): 'api' | 'worker' {
  return link === 'toApi' || link === 'apiToDatabase' ? 'api' : 'worker'
}

/** Whether the answer says that nothing was found: no row, no job. */
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

/** The path of the message; the sweep gets those that match no other. */
export function pathOf({ link, name, script, checkpoint }: Exchange): Path {
  if (startsService(script)) return 'start'
  if (checkpoint === 'cancels') return 'cancel'
  const found = Object.entries(paths).find(([, says]) => says.test(`${link} ${name}`))
  return (found?.[0] as Path | undefined) ?? 'sweep'
}

/** Whether the system recovers without waiting for a dispatched row to become free. */
export function recoversSoon({ fault, link, name }: Point): boolean {
  if (fault === 'kill') return false
  return link === 'workerToDatabase' ? withinWork.test(name) : link !== 'toRedis'
}

const withinWork =
  /begin isolation|audit_events|\/\* erase|offer archives|finish mails|pg_try_advisory/
