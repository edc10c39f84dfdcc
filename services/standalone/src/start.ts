import { existsSync } from 'node:fs'
import path from 'node:path'
import { runUntilAsked } from './start/run.ts'

/**
 * `pnpm start`: everything, with an embedded part wherever no real one is named.
 * `pnpm start FOLDER` keeps its data there instead of in `.data`.
 */
const root = path.join(import.meta.dirname, '../../..')
const settingsFile = path.join(root, '.env')
if (existsSync(settingsFile)) process.loadEnvFile(settingsFile)

const asked = new AbortController()
const forced = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => (asked.signal.aborted ? forced : asked).abort())
// A terminal that has gone must not keep us from stopping in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

process.exit(
  await runUntilAsked({
    env: process.env,
    dataDir: path.resolve(process.argv[2] ?? path.join(root, '.data')),
    print: (line) => process.stdout.write(`${line}\n`),
    complain: (line) => process.stderr.write(`${line}\n`),
    asked: asked.signal,
    forced: forced.signal,
  }),
)
