import { readFileSync } from 'node:fs'

export function isAlive(pid: number): boolean {
  try {
    // A zombie has ended: whoever it was left to has not taken note yet.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
