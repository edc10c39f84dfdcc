import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** Sends the signals one after the other, `patience` milliseconds apart, until the process has ended. */
export async function end(child: ChildProcess, signals: NodeJS.Signals[], patience = 10_000) {
  for (const signal of signals) {
    if (!isRunning(child)) return
    const ended = once(child, 'exit')
    child.kill(signal)
    const timer = new AbortController()
    const timeout = new Promise((resolve) => {
      const id = setTimeout(resolve, patience)
      timer.signal.addEventListener('abort', () => clearTimeout(id))
    })
    await Promise.race([ended, timeout])
    timer.abort()
  }
}
