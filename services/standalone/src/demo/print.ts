/** A step of the demo did not go as it claims. */
export class DemoFailedError extends Error {}

export function print(line: string): void {
  console.log(line)
}

/**
 * Runs one step and prints its claim and what was observed; returns what later steps need. A step that fails ends the
 * story.
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
      `${claim} – failed: ${error instanceof Error ? error.message : error}`,
    )
  }
}

export function expect(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise)
}
