import { setTimeout as wait } from 'node:timers/promises'

/** Something was not as told. */
export class Told extends Error {}

export function tell(line: string): void {
  console.log(line)
}

/**
 * One step of the story: what happens, then what was seen; returns what later steps need.
 * A step that is not as told ends the story.
 */
export async function step<T extends { seen: string }>(
  claim: string,
  play: () => Promise<T>,
): Promise<T> {
  try {
    const played = await play()
    tell(`✓ ${claim}\n    ${played.seen}`)
    return played
  } catch (error) {
    throw new Told(`${claim} – not so: ${error instanceof Error ? error.message : error}`)
  }
}

export function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise)
}

const EVERY_MS = 100

/** Asks every tenth of a second until there is an answer; `what` is missed after half a minute. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + 30_000
  while (performance.now() < deadline) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await wait(EVERY_MS)
  }
  throw new Error(`${what} did not come within half a minute`)
}
