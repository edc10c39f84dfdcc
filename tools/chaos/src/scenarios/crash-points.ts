import type { Checked } from '../history/recorder.ts'
import { addUp, numberOn, onBoth, type Played, type Scenario, type Stage } from '../scenario.ts'
import { exchangesIn, listenTo } from './crash-points/count.ts'
import { groupsOf, playGroup } from './crash-points/groups.ts'
import { openRoom, type Room } from './crash-points/isolated-environment.ts'
import {
  inWords,
  type Point,
  pathOf,
  pointsOf,
  recoversSoon,
  starts,
} from './crash-points/points.ts'
import { type LifeName, lives } from './crash-points/scripts.ts'

/** Waiting for leases is most of it. */
const ROOMS = 6
/** Each start takes a second of a processor. */
const OPENED_AT_A_TIME = 3
const LISTENED_TO = 2
const AT_LEAST = 250
const SAMPLE = 8
const TRIES = 3

/** Whatever two parts say to each other is the moment at which one of them dies, or the connection between them. */
export const crashPoints: Scenario = {
  name: 'crash-points',
  claim:
    'killed or cut off at every message of every path: a request is whole or not at all, and all comes to rest',
  queues: onBoth,
  play,
}

async function play(stage: Stage): Promise<Played> {
  const { full, queue, random, tell } = stage
  const rooms: Room[] = []
  try {
    await inParallel(full ? OPENED_AT_A_TIME : 1, Array(full ? ROOMS : 1).fill(0), async () => {
      rooms.push(await openRoom(stage))
    })
    const all = full ? await countAll(rooms, tell) : await countOne(rooms)
    const points = full ? played(all, stage) : sample(all.filter(recoversSoon), SAMPLE, random)
    const groups = full ? groupsOf(points, random) : [points]
    const { hits, missed, checked, slowest } = await playAll(rooms, groups, tell)
    // A mail that comes late on a busy machine is not sent at all, and so its points cannot be met.
    const few = full ? Math.ceil(points.length / 50) : 0
    const [{ world } = {}] = rooms
    world?.claimUnlessSlow(
      missed.length <= few,
      `never reached:\n  ${missed.map(inWords).join('\n  ')}`,
    )
    world?.claimUnlessSlow(
      !full || hits.length >= numberOn(queue, AT_LEAST),
      `only ${hits.length} points were hit`,
    )
    const paths = Object.entries(Object.groupBy(hits, pathOf)).map(
      ([path, those]) => `${path} ${those.length}`,
    )
    return {
      summary: `${hits.length} of ${points.length} points hit (${paths.join(', ')}), all at rest within ${Math.round(slowest)} s`,
      checked,
    }
  } finally {
    await Promise.all(rooms.map((room) => room.close()))
  }
}

/** Every life is listened to on its own, in a room that is warm. */
async function countAll(rooms: Room[], tell: Stage['tell']): Promise<Point[]> {
  const names = Object.keys(lives) as LifeName[]
  const heard = names.map((life) => ({ life, times: [] as Awaited<ReturnType<typeof listenTo>>[] }))
  const todo = heard.flatMap((one) => Array<typeof one>(LISTENED_TO).fill(one))
  const idle = [...rooms]
  await inParallel(rooms.length, todo, async ({ life, times }) => {
    const room = idle.pop() as Room
    await listenTo('erased', room)
    times.push(await listenTo(life, room))
    idle.push(room)
  })
  const exchanges = exchangesIn(heard)
  tell(`${exchanges.length} messages are said`)
  return exchanges.flatMap(pointsOf)
}

async function countOne([room]: Room[]): Promise<Point[]> {
  const times = room ? [await listenTo('erased', room)] : []
  return exchangesIn([{ life: 'erased', times }]).flatMap(pointsOf)
}

function sample(points: Point[], count: number, random: Stage['random']): Point[] {
  const left = [...points]
  return Array.from({ length: count }, () => {
    const [point] = left.splice(random.between(0, left.length - 1), 1)
    return point as Point
  })
}

/** Everything that is said on the paths of a life, and some of what a start says; of all that a part on the second queue. */
function played(all: Point[], { queue, random }: Stage): Point[] {
  const [starting, living] = [
    all.filter(({ life }) => starts(life)),
    all.filter(({ life }) => !starts(life)),
  ]
  const wanted = [...living, ...sample(starting, Math.ceil(starting.length / 4), random)]
  return queue === 'redis' ? wanted : sample(wanted, numberOn(queue, wanted.length), random)
}

/** What was not reached is tried again, alone. */
async function playAll(rooms: Room[], groups: Point[][], tell: Stage['tell']) {
  const waiting = [...groups]
  const tries = new Map<Point, number>()
  const hits: Point[] = []
  const missed: Point[] = []
  const lasts = new Map<Room, Checked>()
  let slowest = 0
  await inParallel(rooms.length, rooms, async (room) => {
    for (let group = waiting.shift(); group; group = waiting.shift()) {
      const { traps, checked, took } = await playGroup(room, group)
      slowest = Math.max(slowest, took)
      lasts.set(room, checked)
      for (const { point, sprung } of traps) {
        const tried = (tries.get(point) ?? 0) + 1
        tries.set(point, tried)
        if (sprung !== undefined) hits.push(point)
        else if (tried < TRIES) waiting.push([point])
        else missed.push(point)
      }
      if (hits.length % 50 < group.length) tell(`${hits.length} points hit`)
    }
  })
  return { hits, missed, checked: addUp([...lasts.values()]), slowest }
}

async function inParallel<T>(width: number, items: readonly T[], act: (item: T) => Promise<void>) {
  const left = [...items]
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await act(item)
  }
  await Promise.all(Array.from({ length: width }, lane))
}
