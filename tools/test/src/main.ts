import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { compileCache, makeTestFolder, UserFacingError } from '@lethe/dev-env'
import { startStopwatch } from '@lethe/machine-speed'
import { hostileTests } from './hostile-tests.ts'
import { readOptions } from './options.ts'
import { type Counts, formatCounts, report } from './test-report.ts'
import { startTestServers } from './test-servers.ts'
import { watchSaves } from './watch-saves.ts'

const root = path.join(import.meta.dirname, '../../..')
const testFiles = path.join(import.meta.dirname, 'test-files.ts')
const { hostile, watch: watched, grep, named } = readOptions(process.argv.slice(2))
const chosen = hostile && named.length === 0 ? hostileTests : named
const strict = process.env.CI === 'true'
const folder = await makeTestFolder('lethe-test-')
const stops: (() => Promise<void>)[] = []
let tap: ChildProcess | undefined
let interrupted = false
const saves = watched
  ? watchSaves(root, ['packages', 'services', 'tools', 'migrations'])
  : undefined
/** From this slowness on the report mentions it. */
const SLOW = 2

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second signal does not wait for tests that hang.
    endTap(interrupted ? 'SIGKILL' : 'SIGTERM')
    interrupted = true
    saves?.stop()
  })
}

try {
  process.exitCode = saves ? await runOnEachSave(saves) : await main()
} catch (error) {
  // An interrupted run reports no error.
  if (!interrupted) console.error(error instanceof UserFacingError ? error.message : error)
  process.exitCode = interrupted ? 130 : 1
} finally {
  endTap('SIGKILL')
  for (const stop of stops.reverse()) await stop()
  await rm(folder, { recursive: true, force: true })
}

/** Returns the exit code. */
async function main(): Promise<number> {
  const { env, missing } = await startTestServers(process.env, folder, stops, { hostile })
  for (const sentence of missing) console.log(sentence)
  if (strict && missing.length > 0) {
    console.error('With CI=true no test may be skipped.')
    return 1
  }
  if (interrupted) return 130
  const before = await readFolderMarks()
  const watch = startStopwatch()
  const { code, counts } = await runTap(env)
  for (const sentence of missing) console.log(sentence)
  const slower = watch.ms() / watch.referenceMs()
  if (slower > SLOW)
    console.log(
      `The machine was ${slower.toFixed(1)} times slower than the reference: bounds were extended by the same factor.`,
    )
  console.log(formatCounts(counts))
  if (interrupted) return 130
  if ((await readFolderMarks()) !== before) {
    console.error('A test changed the marks of the folders in .data, which belong to `pnpm start`.')
    return 1
  }
  return strict && counts.skipped > 0 ? code || 1 : code
}

/**
 * Keeps the servers up, and runs the named tests once and then after each save. A saved migration makes the test database
 * outdated, so the servers start again. Returns the exit code.
 */
async function runOnEachSave({ next }: ReturnType<typeof watchSaves>): Promise<number> {
  if (named.length === 0) {
    console.error('Name the tests to watch: pnpm test --watch packages/db/test/session.test.ts')
    return 1
  }
  let env: Record<string, string> | undefined
  while (!interrupted) {
    env ??= (await startTestServers(process.env, folder, stops, { hostile })).env
    const { counts } = await runTap(env)
    if (interrupted) break
    console.log(`${formatCounts(counts)}. Waiting for a save; Ctrl+C ends.`)
    const saved = await next()
    if (!saved?.startsWith('migrations')) continue
    for (const stop of stops.splice(0).reverse()) await stop()
    await rm(path.join(folder, 'postgres'), { recursive: true, force: true })
    env = undefined
  }
  return 0
}

/**
 * Reads the ownership marks of the folders of `pnpm start`: a test that started a service here would have changed them.
 */
async function readFolderMarks(): Promise<string> {
  const marks = ['exports', 'uploads'].map((name) =>
    path.join(root, '.data', name, '.lethe-database'),
  )
  return (await Promise.all(marks.map((mark) => readFile(mark, 'utf8').catch(() => '')))).join()
}

async function runTap(env: Record<string, string>): Promise<{ code: number; counts: Counts }> {
  const child = spawn(process.execPath, [testFiles, ...chosen], {
    cwd: root,
    // Temporary files of the tests go into the folder too, and are removed with it.
    env: {
      ...process.env,
      ...env,
      TMPDIR: folder,
      NODE_COMPILE_CACHE: compileCache,
      ...(grep && { TEST_GREP: grep }),
    },
    // A process group of its own, so that everything the tests started ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  tap = child
  const exit = once(child, 'exit')
  const counts = await report(child.stdout, console.log)
  const [code] = await exit
  return { code: code ?? 1, counts }
}

function endTap(signal: NodeJS.Signals): void {
  if (tap?.pid === undefined) return
  try {
    process.kill(-tap.pid, signal)
  } catch {
    // The whole group has ended.
  }
}
