import type { IsolatedEnvironment } from './isolated-environment.ts'
import { links } from './links.ts'
import { isEmpty, type Point, senderOf } from './points.ts'

/** Waits for one message and injects its fault once. */
export interface Failpoint {
  point: Point
  armed: boolean
  /** When the fault was injected. */
  fired?: number
}

/** From now on every message of the environment is checked against these failpoints. */
export function arm(isolated: IsolatedEnvironment, failpoints: Failpoint[]): void {
  const isArmed = ({ armed, fired }: Failpoint) => armed && fired === undefined
  for (const link of links) {
    const here = failpoints.filter(({ point }) => point.link === link)
    isolated.links[link]?.intercept((name) => {
      const before = here.find(
        (failpoint) =>
          isArmed(failpoint) &&
          failpoint.point.name === name &&
          failpoint.point.fault === 'drop-before',
      )
      if (before) {
        before.fired = Date.now()
        return 'drop-before'
      }
      return (answer) => {
        const failpoint = here.find(
          (failpoint) =>
            isArmed(failpoint) &&
            failpoint.point.name === name &&
            failpoint.point.fault !== 'drop-before' &&
            !(failpoint.point.finds && isEmpty(answer)),
        )
        if (!failpoint) return 'pass'
        failpoint.fired = Date.now()
        if (failpoint.point.fault === 'drop-after') return 'drop'
        isolated.kill(senderOf(link))
        return 'silence'
      }
    })
  }
}
