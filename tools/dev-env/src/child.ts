import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { startStopwatch } from '@lethe/machine-speed'

export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** Sends the signals in turn, `timeoutMs` milliseconds of the reference machine apart, until the process has ended. */
export async function end(child: ChildProcess, signals: NodeJS.Signals[], timeoutMs = 10_000) {
  if (!isRunning(child)) return
  const ended = once(child, 'exit')
  for (const signal of signals) {
    if (!isRunning(child)) return
    child.kill(signal)
    const watch = startStopwatch({ firstSampleAfterMs: 1_000 })
    while (isRunning(child) && watch.referenceMs() < timeoutMs)
      await Promise.race([ended, wait(100)])
    watch.stop()
  }
}
