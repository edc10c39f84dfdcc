import { glob } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { startStopwatch } from '@lethe/machine-speed'
import t from 'tap'

// Runs each test file as a process, several at once, and merges their output. tap's own runner loads its coverage hooks
// into every process that a test starts: 190 ms instead of 30, hundreds of times.
const root = path.join(import.meta.dirname, '../../..')
/** Per file, on the reference machine. A file can ask for more with `t.setTimeout`. */
const TIMEOUT_MS = 180_000
const LOOK_INTERVAL_MS = 1_000

// The slowest files run first, so that the run does not end waiting for one of them.
const everywhere = ['tools/chaos', 'services/*', 'packages/*', 'tools/!(chaos)'].map(
  (at) => `${at}/test/**/*.test.ts`,
)

const given = process.argv.slice(2)
const patterns = given.map((name) => (name.endsWith('.ts') ? name : `${name}/**/*.test.ts`))
const files: string[] = []
for (const pattern of patterns.length > 0 ? patterns : everywhere) {
  const found: string[] = []
  for await (const file of glob(pattern, { cwd: root, exclude: (name) => name === 'node_modules' }))
    found.push(file)
  if (found.length === 0) t.fail(`there are no tests in ${pattern}`)
  files.push(...found.toSorted((a, b) => a.localeCompare(b)))
}

// Most files use the CPU most of the time, so running more at once would only cause timeouts.
t.jobs = Math.min(8, 1 + availableParallelism())
t.setTimeout(0)
// tap measures wall-clock time and this runner reference time, so that a busy machine ends no file early.
t.on('spawn', (file) => {
  const watch = startStopwatch()
  const look = setInterval(() => {
    if (watch.referenceMs() <= Math.max(TIMEOUT_MS, file.options.timeout ?? 0)) return
    clearInterval(look)
    file.timeout()
  }, LOOK_INTERVAL_MS)
  file.on('end', () => {
    clearInterval(look)
    watch.stop()
  })
})
const { TEST_GREP: grep } = process.env
const env = { ...process.env, TAP_TIMEOUT: '0', ...(grep && { TAP_GREP: `/${grep}/` }) }
for (const file of files)
  t.spawn(process.execPath, [file], { cwd: root, buffered: true, timeout: 0, env }, file)
