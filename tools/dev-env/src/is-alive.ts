import { readFileSync } from 'node:fs'

export function isAlive(pid: number): boolean {
  try {
    // A zombie has ended; its parent has not waited for it yet.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
