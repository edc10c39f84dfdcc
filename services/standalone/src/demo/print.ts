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
