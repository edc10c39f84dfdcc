import { existsSync } from 'node:fs'
import path from 'node:path'
import { runUntilAsked } from './start/run.ts'

/**
 * `pnpm start [FOLDER]`: starts everything, with an embedded component for each server that the environment does not
 * name. Stores its data in FOLDER, `.data` by default.
 */
const root = path.join(import.meta.dirname, '../../..')
const settingsFile = path.join(root, '.env')
if (existsSync(settingsFile)) process.loadEnvFile(settingsFile)

const asked = new AbortController()
const forced = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => (asked.signal.aborted ? forced : asked).abort())
// A closed terminal must not prevent an orderly stop.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

process.exit(
  await runUntilAsked({
    env: process.env,
    dataDir: path.resolve(process.argv[2] ?? path.join(root, '.data')),
    print: (line) => process.stdout.write(`${line}\n`),
    printError: (line) => process.stderr.write(`${line}\n`),
    asked: asked.signal,
    forced: forced.signal,
  }),
)
