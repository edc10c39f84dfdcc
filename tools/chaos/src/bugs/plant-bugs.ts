import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { type SeededBug, seededBugs } from './seeded-bugs.ts'

/**
 * `pnpm chaos:bugs [NUMBER …]`: plants each seeded bug in a copy of this checkout and runs the tests, the fastest
 * packages first, until one fails. Without a bug all tests must pass. Exits 1 when fewer than 95 percent of the bugs
 * are caught.
 */
const run = promisify(execFile)
const root = path.join(import.meta.dirname, '../../../..')
const MIN_CAUGHT_SHARE = 0.95

const folders = [
  ...['packages/lifecycle', 'packages/accounts', 'packages/queue'],
  ...['services/worker', 'services/api', 'tools/chaos'],
]
const wanted = process.argv.slice(2).map(Number)
const copy = await mkdtemp(path.join(tmpdir(), 'lethe-bugs-'))
process.on('SIGINT', () => process.exit(130))
process.on('exit', () => void rm(copy, { recursive: true, force: true }))

try {
  await copyCheckout()
  const fileGroups = await Promise.all(folders.map(testFiles))
  if (wanted.length === 0) {
    const failed = await firstFailure(fileGroups)
    if (failed) throw new Error(`The tests fail without any bug: ${failed}`)
    console.log('Without a bug every test passes.')
  }
  const chosen = [...seededBugs.entries()].filter(
    ([n]) => wanted.length === 0 || wanted.includes(n + 1),
  )
  let caught = 0
  console.log('\n| | bug | breaks | caught by |\n| --- | --- | --- | --- |')
  for (const [n, bug] of chosen) {
    const by = await plant(bug, () => firstFailure(fileGroups))
    if (by) caught++
    console.log(`| ${n + 1} | ${bug.name} | ${bug.breaks} | ${by ?? '**nothing**'} |`)
  }
  console.log(`\n${caught} of ${chosen.length} were caught.`)
  process.exitCode = caught >= MIN_CAUGHT_SHARE * chosen.length ? 0 : 1
} finally {
  await rm(copy, { recursive: true, force: true })
}

/** Copies the tracked and untracked files, and the installed dependencies, whose links are relative. */
async function copyCheckout(): Promise<void> {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const { stdout } = await run('git', list, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  for (const file of stdout.split('\0').filter(Boolean))
    await cp(path.join(root, file), path.join(copy, file)).catch(() => {})
  const { stdout: found } = await run('find', [
    ...[root, '-name', 'node_modules', '-prune', '-print'],
  ])
  for (const modules of found.trim().split('\n'))
    await run('cp', ['-a', modules, path.join(copy, path.relative(root, modules))])
}

async function testFiles(folder: string): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', `${folder}/**/*.test.ts`], { cwd: root })
  return stdout.trim().split('\n')
}

async function plant<T>({ file, find, replace }: SeededBug, act: () => Promise<T>): Promise<T> {
  const at = path.join(copy, file)
  const text = await readFile(at, 'utf8')
  if (text.split(find).length !== 2) throw new Error(`${file} does not hold this once: ${find}`)
  await writeFile(
    at,
    text.replace(find, () => replace),
  )
  try {
    return await act()
  } finally {
    await writeFile(at, text)
  }
}

/** Returns the first test that fails, package by package; undefined when all pass. */
async function firstFailure(fileGroups: string[][]): Promise<string | undefined> {
  for (const files of fileGroups) {
    const failure = await failureIn(files)
    if (failure) return failure
  }
  return undefined
}

async function failureIn(files: string[]): Promise<string | undefined> {
  const child = spawn(process.execPath, ['tools/test/src/main.ts', ...files], {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let failure: string | undefined
  createInterface(child.stdout).on('line', (line) => {
    if (!line.startsWith('✖')) return
    failure ??= line.slice(2).replaceAll('|', '/')
    // One failure is enough.
    child.kill('SIGTERM')
  })
  const [code] = await once(child, 'exit')
  return code === 0 ? undefined : (failure ?? `exit code ${code}`)
}
