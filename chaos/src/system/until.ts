import { setTimeout as wait } from 'node:timers/promises'

/** Asks every twentieth of a second until there is an answer that is not empty; `what` is missed after `seconds`. */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
  seconds = 60,
): Promise<Exclude<NonNullable<T>, false>> {
  const deadline = performance.now() + seconds * 1_000
  for (;;) {
    const answer = await ask()
    if (answer) return answer as Exclude<NonNullable<T>, false>
    if (performance.now() > deadline) throw new Error(`${what}: not within ${seconds} s`)
    await wait(50)
  }
}

/** Waits for a time of day, in milliseconds since 1970. */
export async function untilClock(time: number): Promise<void> {
  await wait(Math.max(0, time - Date.now()))
}
