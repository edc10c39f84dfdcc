import type { Room } from './isolated-environment.ts'
import { isEmpty, type Point, speaker, ways } from './points.ts'

/** Waits for one message, and does its fault to it, once. */
export interface Trap {
  point: Point
  set: boolean
  /** When it happened. */
  sprung?: number
}

/** From here on all messages of the room pass by these traps. */
export function lay(room: Room, traps: Trap[]): void {
  const armed = ({ set, sprung }: Trap) => set && sprung === undefined
  for (const way of ways) {
    const here = traps.filter(({ point }) => point.way === way)
    room.ways[way]?.intercept((name) => {
      const before = here.find(
        (trap) => armed(trap) && trap.point.name === name && trap.point.fault === 'drop-before',
      )
      if (before) {
        before.sprung = Date.now()
        return 'drop-before'
      }
      return (answer) => {
        const trap = here.find(
          (trap) =>
            armed(trap) &&
            trap.point.name === name &&
            trap.point.fault !== 'drop-before' &&
            !(trap.point.finds && isEmpty(answer)),
        )
        if (!trap) return 'pass'
        trap.sprung = Date.now()
        if (trap.point.fault === 'drop-after') return 'drop'
        room.kill(speaker(way))
        return 'silence'
      }
    })
  }
}
