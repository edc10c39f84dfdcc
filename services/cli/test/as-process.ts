import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { type DoctorResult, faultsIn } from './healthy.ts'

const main = path.join(import.meta.dirname, '../src/main.ts')

/** Runs the doctor in its own process; `before` is a command that starts it. */
export async function asProcess(
  env: Record<string, string>,
  before: string[] = [],
): Promise<DoctorResult> {
  const [program = '', ...args] = [...before, process.execPath, main, 'doctor']
  const { PATH, NODE_COMPILE_CACHE } = process.env
  const child = spawn(program, args, {
    env: { PATH, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return { code: code as number, text: output, faults: faultsIn(output.split('\n')) }
}
