import type { Random } from '../../system/random.ts'
import { arm, type Failpoint } from './failpoint.ts'
import type { IsolatedEnvironment } from './isolated-environment.ts'
import { formatPoint, type Point, pathOf, startsService } from './points.ts'
import { scripts } from './scripts.ts'

/** How many drops run together, on different people and on different paths. A kill runs alone. */
const MAX_GROUP_SIZE = 3
/**
 * Seconds from a due date to the erasure: losing a row delays it by ten, and the failpoints of a group may hit one
 * batch.
 */
const ERASED_WITHIN_SECONDS = 40

export function groupsOf(points: Point[], random: Random): Point[][] {
  const shuffled = points
    .map((point) => ({ point, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ point }) => point)
  const groups: Point[][] = []
  for (const point of shuffled) {
    const company = groups.find((group) => group.length < MAX_GROUP_SIZE && fits(point, group))
    if (company) company.push(point)
    else groups.push([point])
  }
  return groups
}

function fits(point: Point, group: Point[]): boolean {
  return (
    [point, ...group].every(canShareGroup) &&
    group.every((other) => pathOf(other) !== pathOf(point))
  )
}

function canShareGroup({ fault, script }: Point): boolean {
  return fault !== 'kill' && script !== 'slow' && !startsService(script)
}

/** Runs the scripts of all points; afterwards the system must be idle and every invariant must hold. */
export async function playGroup(isolated: IsolatedEnvironment, points: Point[]) {
  const failpoints: Failpoint[] = points.map((point) => ({ point, armed: false }))
  arm(isolated, failpoints)
  isolated.hangUp()
  try {
    await Promise.all(failpoints.map((failpoint) => runScript(isolated, failpoint)))
    await isolated.waitUntilIdle()
    const checked = await isolated.environment.check({ bound: ERASED_WITHIN_SECONDS })
    const fired = failpoints.flatMap((failpoint) => failpoint.fired ?? [])
    const took = fired.length > 0 ? (Date.now() - Math.min(...fired)) / 1_000 : 0
    return { failpoints, checked, took }
  } catch (error) {
    const tried = points.map(formatPoint).join('\n  ')
    throw new Error(`${error instanceof Error ? error.message : error}\nafter\n  ${tried}`, {
      cause: error,
    })
  } finally {
    arm(isolated, [])
  }
}

async function runScript(isolated: IsolatedEnvironment, failpoint: Failpoint): Promise<void> {
  const { script, checkpoint } = failpoint.point
  await scripts[script](isolated, (reached) => {
    if (reached === checkpoint) failpoint.armed = true
  })
}
