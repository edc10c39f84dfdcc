import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openDemoEnvironment } from './demo/demo-environment.ts'
import { DemoFailedError, print } from './demo/print.ts'
import { runStory } from './demo/story.ts'

/** `pnpm demo`: plays the whole story once on real, throw-away components. Exits 1 if a step fails. */
const folder = await mkdtemp(path.join(tmpdir(), 'lethe-demo-'))
const stops: (() => Promise<void>)[] = []
let stopping: Promise<void> | undefined
const opening = openDemoEnvironment(folder, stops)

function stop(): Promise<void> {
  stopping ??= (async () => {
    // A component that is starting must be up before it can stop.
    await opening.catch(() => {})
    for (const stopComponent of stops.reverse()) await stopComponent()
    await rm(folder, { recursive: true, force: true })
  })()
  return stopping
}

// A closed terminal must not prevent an orderly stop.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => void stop().then(() => process.exit(130)))

try {
  const environment = await opening
  await runStory(environment)
  print('')
  print('That is the whole story, on real components: PostgreSQL, the API, the worker, SMTP.')
} catch (error) {
  const message = error instanceof DemoFailedError ? error.message : `The demo failed: ${error}`
  // An interrupted demo reports no failure.
  if (!stopping) console.error(`\n✗ ${message}`)
  process.exitCode = 1
} finally {
  await stop()
}
