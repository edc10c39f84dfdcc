import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openDemoEnvironment } from './demo/demo-environment.ts'
import { DemoFailedError, print } from './demo/print.ts'
import { runStory } from './demo/story.ts'

/** `pnpm demo`: the whole story once, on real parts that are thrown away afterwards. Exits 1 if a step is not as told. */
const folder = await mkdtemp(path.join(tmpdir(), 'lethe-demo-'))
const stops: (() => Promise<void>)[] = []
let stopping: Promise<void> | undefined
const opening = openDemoEnvironment(folder, stops)

function stop(): Promise<void> {
  stopping ??= (async () => {
    // What is being started right now has to be there before it can end.
    await opening.catch(() => {})
    for (const stopPart of stops.reverse()) await stopPart()
    await rm(folder, { recursive: true, force: true })
  })()
  return stopping
}

// A terminal that has gone must not keep us from stopping in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => void stop().then(() => process.exit(130)))

try {
  const environment = await opening
  await runStory(environment)
  print('')
  print('That is the whole story, on real parts: PostgreSQL, the API, the worker, SMTP.')
} catch (error) {
  const message = error instanceof DemoFailedError ? error.message : `It broke: ${error}`
  // What ends half-way because somebody wanted it to is no finding.
  if (!stopping) console.error(`\n✗ ${message}`)
  process.exitCode = 1
} finally {
  await stop()
}
