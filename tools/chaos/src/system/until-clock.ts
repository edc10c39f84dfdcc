import { setTimeout as wait } from 'node:timers/promises'

/** Waits for a time of day, in milliseconds since 1970. */
export async function untilClock(time: number): Promise<void> {
  await wait(Math.max(0, time - Date.now()))
}
