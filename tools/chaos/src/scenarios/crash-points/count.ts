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

/** Lets one life pass, and notes all that is said in it. */
export async function listenTo(
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
 * One exchange for each message: in the first life in which it finds something to do, or in which it is said at all. The
 * API says the same in a request and in a cancel, which are two paths. Each life was listened to more than once: what is
 * not said every time depends on the moment, and nobody could wait for it.
 */
export function exchangesIn(heard: { script: ScriptName; times: Observed[][] }[]): Exchange[] {
  const found = new Map<string, Exchange>()
  for (const { script, times } of heard) {
    const everyTime = (observed: Observed) =>
      times.every((time) => time.some((other) => same(other, observed)))
    for (const observed of (times[0] ?? []).filter(everyTime)) {
      if (!startsService(script) && isSetup(observed)) continue
      const known = found.get(keyOf(observed))
      const saidAllTheTime = known?.script === 'quiet'
      // Whether anything else finds something to do may be chance.
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

/** Whether it belongs to the beginning of a connection or a process, or is said but once a minute. */
function isSetup({ link, name }: Observed): boolean {
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

/** The API speaks when it is asked; what is said all the time is waited for from where there is something to find. */
function checkpointFor(
  observed: Observed,
  script: ScriptName,
  saidAllTheTime: boolean,
): Checkpoint {
  if (script === 'quiet' || startsService(script)) return 'begins'
  // How far a worker has come at a step depends on the load.
  return isApi(observed) || saidAllTheTime ? observed.checkpoint : 'asks'
}
