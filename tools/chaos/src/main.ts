import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { playAll } from './play-all.ts'
import type { Queue } from './scenario.ts'
import { scenarios } from './scenarios/index.ts'
import { startServer } from './server.ts'

/**
 * `pnpm chaos [SCENARIO …] [--queue redis|postgres] [--seed N] [--short]`: runs the named scenarios, or all, on one
 * queue or both. Exits 1 when a claim does not hold, and prints the command that repeats that scenario.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    queue: { type: 'string' },
    seed: { type: 'string' },
    short: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})
const unknown = positionals.find((name) => !scenarios.some((scenario) => scenario.name === name))
const wrongQueue = values.queue !== undefined && !['redis', 'postgres'].includes(values.queue)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
if (values.list || unknown !== undefined || wrongQueue || !Number.isSafeInteger(seed)) {
  console.log('Usage: pnpm chaos [SCENARIO …] [--queue redis|postgres] [--seed N] [--short]\n')
  for (const { name, claim } of scenarios) console.log(`  ${name.padEnd(16)} ${claim}`)
  process.exit(values.list ? 0 : 2)
}

const folder = await mkdtemp(path.join(tmpdir(), 'lethe-chaos-'))
const server = await startServer(folder)
const end = async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void end().then(() => process.exit(130)))
try {
  process.exitCode = await playAll({
    scenarios: scenarios.filter(
      ({ name }) => positionals.length === 0 || positionals.includes(name),
    ),
    queues: values.queue ? [values.queue as Queue] : ['redis', 'postgres'],
    full: !values.short,
    seed,
    server: server.url,
    print: (line) => console.log(line),
  })
} finally {
  await end()
}
