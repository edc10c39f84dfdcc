import type { IsolatedEnvironment } from './isolated-environment.ts'
import { type LinkName, links } from './links.ts'
import { type Exchange, isEmpty, senderOf, startsService } from './points.ts'
import { type Checkpoint, type ScriptName, scripts } from './scripts.ts'

interface Observed {
  link: LinkName
  name: string
  checkpoint: Checkpoint
  finds: boolean
}

/** Runs one script and records every message in it. */
export async function recordScript(
  script: ScriptName,
  isolated: IsolatedEnvironment,
): Promise<Observed[]> {
  const observed = new Map<string, Observed>()
  let checkpoint: Checkpoint = 'begins'
  for (const link of links)
    isolated.links[link]?.intercept((name) => (answer) => {
      const key = `${link} ${checkpoint} ${name}`
      const finds = observed.get(key)?.finds || !isEmpty(answer)
      observed.set(key, { link, name, checkpoint, finds })
      return 'pass'
    })
  isolated.hangUp()
  await scripts[script](isolated, (reached) => {
    checkpoint = reached
  })
  await isolated.waitUntilIdle()
  for (const link of links) isolated.links[link]?.intercept()
  return [...observed.values()]
}

/**
 * Returns one exchange for each message, from the first script in which it finds work, or occurs at all. A request and
 * a cancel send the same API messages but are two paths. A message that not every recording contains depends on timing,
 * so it is left out.
 */
export function exchangesIn(recordings: { script: ScriptName; times: Observed[][] }[]): Exchange[] {
  const found = new Map<string, Exchange>()
  for (const { script, times } of recordings) {
    const everyTime = (observed: Observed) =>
      times.every((time) => time.some((other) => same(other, observed)))
    for (const observed of (times[0] ?? []).filter(everyTime)) {
      if (!startsService(script) && isSetup(observed)) continue
      const known = found.get(keyOf(observed))
      const saidAllTheTime = known?.script === 'quiet'
      // For other messages, finding work may be chance.
      if (known && !(saidAllTheTime && observed.finds && !known.finds)) continue
      found.set(keyOf(observed), {
        ...observed,
        script,
        checkpoint: checkpointFor(observed, script, saidAllTheTime),
      })
    }
  }
  return [...found.values()]
}

/** Whether the message belongs to the start of a connection or a process, or is sent only once a minute. */
function isSetup({ link, name }: Observed): boolean {
  // The API checks its folders for the readiness that the script polls, not for the request.
  if (link === 'apiToDatabase' && /^select (o\.id, d\.oid|system_identifier)/.test(name))
    return true
  return link.endsWith('Database') || link === 'toRedis' ? openings.test(name) : false
}

const openings =
  /^(connect|hello|client|info|listen|select 1$|select set_config|select "value"|insert into "secret_key|delete from|with old as|\/\* (collect|check) archives)/i

const isApi = ({ link }: Observed) => senderOf(link) === 'api'
const keyOf = (observed: Observed) =>
  [
    observed.link,
    isApi(observed) && observed.checkpoint === 'cancels' ? 'cancels' : '',
    observed.name,
  ].join(' ')

function same(one: Observed, other: Observed): boolean {
  return keyOf(one) === keyOf(other) && one.finds === other.finds
}

/**
 * The API sends messages only while it serves a request. A message that is sent all the time is armed from the
 * checkpoint where it finds work.
 */
function checkpointFor(
  observed: Observed,
  script: ScriptName,
  saidAllTheTime: boolean,
): Checkpoint {
  if (script === 'quiet' || startsService(script)) return 'begins'
  // How far a worker is at a checkpoint depends on the load.
  return isApi(observed) || saidAllTheTime ? observed.checkpoint : 'asks'
}
