import { findFaketime } from '@lethe/dev-env'

/** An offset such as `+40d`, or the file that holds one, which may change. */
export type Clock = { offset: string } | { file: string }

/**
 * Returns the variables that shift the clock of a process but not its timers; undefined without libfaketime. Files and
 * PostgreSQL keep the real time.
 */
export async function fakeClock(clock: Clock): Promise<Record<string, string> | undefined> {
  const library = await findFaketime()
  if (!library) return undefined
  return {
    LD_PRELOAD: library,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    ...('offset' in clock
      ? { FAKETIME: clock.offset }
      : { FAKETIME_TIMESTAMP_FILE: clock.file, FAKETIME_CACHE_DURATION: '1' }),
  }
}
