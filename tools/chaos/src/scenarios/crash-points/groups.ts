import type { Random } from '../../system/random.ts'
import { lay, type Trap } from './failpoint.ts'
import type { Room } from './isolated-environment.ts'
import { inWords, type Point, pathOf, starts } from './points.ts'
import { lives } from './scripts.ts'

/** So many drops are played at a time, on people of their own and on paths that do not meet; whatever kills is alone. */
const TOGETHER = 3
/** Seconds from a date to the erasure: whoever loses a row delays it by ten, and those of a group may meet in one batch. */
const BOUND = 40

export function groupsOf(points: Point[], random: Random): Point[][] {
  const shuffled = points
    .map((point) => ({ point, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ point }) => point)
  const groups: Point[][] = []
  for (const point of shuffled) {
    const company = groups.find((group) => group.length < TOGETHER && fits(point, group))
    if (company) company.push(point)
    else groups.push([point])
  }
  return groups
}

function fits(point: Point, group: Point[]): boolean {
  return (
    [point, ...group].every(sociable) && group.every((other) => pathOf(other) !== pathOf(point))
  )
}

function sociable({ fault, life }: Point): boolean {
  return fault !== 'kill' && life !== 'slow' && !starts(life)
}

/** Lets somebody live through each point; afterwards all is at rest, and every invariant holds. */
export async function playGroup(room: Room, points: Point[]) {
  const traps: Trap[] = points.map((point) => ({ point, set: false }))
  lay(room, traps)
  room.hangUp()
  try {
    await Promise.all(traps.map((trap) => live(room, trap)))
    await room.rest()
    const checked = await room.world.check({ bound: BOUND })
    const sprung = traps.flatMap((trap) => trap.sprung ?? [])
    const took = sprung.length > 0 ? (Date.now() - Math.min(...sprung)) / 1_000 : 0
    return { traps, checked, took }
  } catch (error) {
    const tried = points.map(inWords).join('\n  ')
    throw new Error(`${error instanceof Error ? error.message : error}\nafter\n  ${tried}`, {
      cause: error,
    })
  } finally {
    lay(room, [])
  }
}

async function live(room: Room, trap: Trap): Promise<void> {
  const { life, step } = trap.point
  await lives[life](room, (reached) => {
    if (reached === step) trap.set = true
  })
}
