import type { Room } from './isolated-environment.ts'
import { type Exchange, isEmpty, speaker, starts, type Way, ways } from './points.ts'
import { type LifeName, lives, type Step } from './scripts.ts'

interface Seen {
  way: Way
  name: string
  step: Step
  finds: boolean
}

/** Lets one life pass, and notes all that is said in it. */
export async function listenTo(life: LifeName, room: Room): Promise<Seen[]> {
  const seen = new Map<string, Seen>()
  let step: Step = 'begins'
  for (const way of ways)
    room.ways[way]?.intercept((name) => (answer) => {
      const key = `${way} ${step} ${name}`
      const finds = seen.get(key)?.finds || !isEmpty(answer)
      seen.set(key, { way, name, step, finds })
      return 'pass'
    })
  room.hangUp()
  await lives[life](room, (reached) => {
    step = reached
  })
  await room.rest()
  for (const way of ways) room.ways[way]?.intercept()
  return [...seen.values()]
}

/**
 * One exchange for each message: in the first life in which it finds something to do, or in which it is said at all. The
 * API says the same in a request and in a cancel, which are two paths. Each life was listened to more than once: what is
 * not said every time depends on the moment, and nobody could wait for it.
 */
export function exchangesIn(heard: { life: LifeName; times: Seen[][] }[]): Exchange[] {
  const found = new Map<string, Exchange>()
  for (const { life, times } of heard) {
    const everyTime = (seen: Seen) => times.every((time) => time.some((other) => same(other, seen)))
    for (const seen of (times[0] ?? []).filter(everyTime)) {
      if (!starts(life) && opens(seen)) continue
      const known = found.get(keyOf(seen))
      const saidAllTheTime = known?.life === 'quiet'
      // Whether anything else finds something to do may be chance.
      if (known && !(saidAllTheTime && seen.finds && !known.finds)) continue
      found.set(keyOf(seen), { ...seen, life, step: stepFor(seen, life, saidAllTheTime) })
    }
  }
  return [...found.values()]
}

/** Whether it belongs to the beginning of a connection or a process, or is said but once a minute. */
function opens({ way, name }: Seen): boolean {
  return way.endsWith('Database') || way === 'toRedis' ? openings.test(name) : false
}

const openings =
  /^(connect|hello|client|info|listen|select 1$|select set_config|select "value"|insert into "secret_key|delete from|with old as|\/\* (collect|check) archives)/i

const isApi = ({ way }: Seen) => speaker(way) === 'api'
const keyOf = (seen: Seen) =>
  [seen.way, isApi(seen) && seen.step === 'cancels' ? 'cancels' : '', seen.name].join(' ')

function same(one: Seen, other: Seen): boolean {
  return keyOf(one) === keyOf(other) && one.finds === other.finds
}

/** The API speaks when it is asked; what is said all the time is waited for from where there is something to find. */
function stepFor(seen: Seen, life: LifeName, saidAllTheTime: boolean): Step {
  if (life === 'quiet' || starts(life)) return 'begins'
  // How far a worker has come at a step depends on the load.
  return isApi(seen) || saidAllTheTime ? seen.step : 'asks'
}
