/** Something was not as told. */
export class DemoFailedError extends Error {}

export function print(line: string): void {
  console.log(line)
}

/**
 * One step of the story: what happens, then what was seen; returns what later steps need.
 * A step that is not as told ends the story.
 */
export async function step<T extends { observed: string }>(
  claim: string,
  play: () => Promise<T>,
): Promise<T> {
  try {
    const played = await play()
    print(`✓ ${claim}\n    ${played.observed}`)
    return played
  } catch (error) {
    throw new DemoFailedError(
      `${claim} – not so: ${error instanceof Error ? error.message : error}`,
    )
  }
}

export function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise)
}
