import type { Checked } from '../history/recorder.ts'
import {
  addUp,
  numberOn,
  onBoth,
  type Played,
  type Scenario,
  type ScenarioContext,
} from '../scenario.ts'
import { exchangesIn, recordScript } from './crash-points/count.ts'
import { groupsOf, playGroup } from './crash-points/groups.ts'
import {
  type IsolatedEnvironment,
  openIsolatedEnvironment,
} from './crash-points/isolated-environment.ts'
import {
  formatPoint,
  type Point,
  pathOf,
  pointsOf,
  recoversSoon,
  startsService,
} from './crash-points/points.ts'
import { type ScriptName, scripts } from './crash-points/scripts.ts'

/** Most of the time is spent waiting for leases to expire. */
const ISOLATED_ENVIRONMENTS = 6
/** Each start costs a second of CPU time. */
const MAX_STARTS_AT_ONCE = 3
const RECORDINGS = 2
const MIN_HITS = 250
const SHORT_SAMPLE_SIZE = 8
const MAX_TRIES = 3

/** Kills a process, or cuts its connection, at each message between two components. */
export const crashPoints: Scenario = {
  name: 'crash-points',
  claim:
    'killed or cut off at every message of every path: a request is whole or not at all, and all work completes',
  queues: onBoth,
  play,
}

async function play(context: ScenarioContext): Promise<Played> {
  const { full, queue, random, print } = context
  const isolatedEnvironments: IsolatedEnvironment[] = []
  try {
    await inParallel(
      full ? MAX_STARTS_AT_ONCE : 1,
      Array(full ? ISOLATED_ENVIRONMENTS : 1).fill(0),
      async () => {
        isolatedEnvironments.push(await openIsolatedEnvironment(context))
      },
    )
    const all = full
      ? await countAll(isolatedEnvironments, print)
      : await countOne(isolatedEnvironments)
    const points = full
      ? selectPoints(all, context)
      : sample(all.filter(recoversSoon), SHORT_SAMPLE_SIZE, random)
    const groups = full ? groupsOf(points, random) : [points]
    const { hits, missed, checked, slowest } = await playAll(isolatedEnvironments, groups, print)
    // On a busy machine a late mail may not be sent at all, so its points cannot be reached.
    const few = full ? Math.ceil(points.length / 50) : 0
    const [{ environment } = {}] = isolatedEnvironments
    await environment?.claimUnlessSlow(
      missed.length <= few,
      `never reached:\n  ${missed.map(formatPoint).join('\n  ')}`,
    )
    await environment?.claimUnlessSlow(
      !full || hits.length >= numberOn(queue, MIN_HITS),
      `only ${hits.length} points were hit`,
    )
    const paths = Object.entries(Object.groupBy(hits, pathOf)).map(
      ([path, those]) => `${path} ${those.length}`,
    )
    return {
      summary: `${hits.length} of ${points.length} points hit (${paths.join(', ')}), all idle within ${Math.round(slowest)} s`,
      checked,
    }
  } finally {
    await Promise.all(isolatedEnvironments.map((isolated) => isolated.close()))
  }
}

/** Records every script alone, in an environment that is warmed up. */
async function countAll(
  isolatedEnvironments: IsolatedEnvironment[],
  print: ScenarioContext['print'],
): Promise<Point[]> {
  const names = Object.keys(scripts) as ScriptName[]
  const recordings = names.map((script) => ({
    script,
    times: [] as Awaited<ReturnType<typeof recordScript>>[],
  }))
  const todo = recordings.flatMap((one) => Array<typeof one>(RECORDINGS).fill(one))
  const idle = [...isolatedEnvironments]
  await inParallel(isolatedEnvironments.length, todo, async ({ script, times }) => {
    const isolated = idle.pop() as IsolatedEnvironment
    await recordScript('erased', isolated)
    times.push(await recordScript(script, isolated))
    idle.push(isolated)
  })
  const exchanges = exchangesIn(recordings)
  print(`${exchanges.length} messages were recorded`)
  return exchanges.flatMap(pointsOf)
}

async function countOne([isolated]: IsolatedEnvironment[]): Promise<Point[]> {
  const times = isolated ? [await recordScript('erased', isolated)] : []
  return exchangesIn([{ script: 'erased', times }]).flatMap(pointsOf)
}

function sample(points: Point[], count: number, random: ScenarioContext['random']): Point[] {
  const left = [...points]
  return Array.from({ length: count }, () => {
    const [point] = left.splice(random.between(0, left.length - 1), 1)
    return point as Point
  })
}

/** Selects all points of the scripts and a quarter of those of a service start; on the second queue a part of them. */
function selectPoints(all: Point[], { queue, random }: ScenarioContext): Point[] {
  const [starting, living] = [
    all.filter(({ script }) => startsService(script)),
    all.filter(({ script }) => !startsService(script)),
  ]
  const wanted = [...living, ...sample(starting, Math.ceil(starting.length / 4), random)]
  return queue === 'redis' ? wanted : sample(wanted, numberOn(queue, wanted.length), random)
}

/** Retries missed points alone. */
async function playAll(
  isolatedEnvironments: IsolatedEnvironment[],
  groups: Point[][],
  print: ScenarioContext['print'],
) {
  const waiting = [...groups]
  const tries = new Map<Point, number>()
  const hits: Point[] = []
  const missed: Point[] = []
  const lasts = new Map<IsolatedEnvironment, Checked>()
  let slowest = 0
  await inParallel(isolatedEnvironments.length, isolatedEnvironments, async (isolated) => {
    for (let group = waiting.shift(); group; group = waiting.shift()) {
      const { failpoints, checked, took } = await playGroup(isolated, group)
      slowest = Math.max(slowest, took)
      lasts.set(isolated, checked)
      for (const { point, fired } of failpoints) {
        const tried = (tries.get(point) ?? 0) + 1
        tries.set(point, tried)
        if (fired !== undefined) hits.push(point)
        else if (tried < MAX_TRIES) waiting.push([point])
        else missed.push(point)
      }
      if (hits.length % 50 < group.length) print(`${hits.length} points hit`)
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
