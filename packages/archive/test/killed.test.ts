import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { withClockAhead } from '@lethe/db/testing'
import { until } from '@lethe/machine-speed'
import t from 'tap'
import { removeOrphanedArchives } from '../src/index.ts'
import { addUser, createTestContext, saveManyPasswords } from './setup.ts'
import { addWithdrawnExport, recordAttempt } from './test-archive.ts'

const child = path.join(import.meta.dirname, 'make-in-child.ts')
// EXPORT_KILLS sets the number of kills.
const kills = Number(process.env.EXPORT_KILLS ?? 6)
if (process.env.EXPORT_KILLS) t.setTimeout(180_000 + kills * 20_000)

t.test(`killed ${kills} times at random moments, it leaves nothing that can be read`, async (t) => {
  const ctx = await createTestContext(t)
  const { db, url, storage, exportDir, uploadDir } = ctx
  const id = await addUser(db, 'canary-of-ada')
  await saveManyPasswords(db, id, 30_000)
  const canaries = ['canary-of-ada@example.com', 'canary-of-ada', 'argon2id']
  const tomorrow = await withClockAhead(t, ctx, 2)
  let [begun, whole] = [0, 0]
  for (let n = 0; n < kills; n++) {
    const making = spawn(process.execPath, [child, url, String(id), exportDir, uploadDir])
    const ended = once(making, 'exit')
    // Kill it at a random moment after it has started to write.
    await until(
      'it has started to write, or has ended',
      async () => (await ctx.listStored()).length > 0 || making.exitCode !== null,
    )
    await wait(Math.random() * 400)
    making.kill('SIGKILL')
    await ended
    for (const name of await readdir(exportDir)) {
      if (name.endsWith('.part')) begun++
      else whole++
      const bytes = await readFile(path.join(exportDir, name))
      await addWithdrawnExport(db, name)
      await recordAttempt(db, name)
      for (const canary of canaries) t.notOk(bytes.includes(canary), `${canary} in ${name}`)
    }
    await removeOrphanedArchives(tomorrow, storage)
    t.strictSame(await ctx.listStored(), [], 'the sweep removes its leftovers a day later')
  }
  t.ok(begun + whole > 0, `${begun} were partial, ${whole} were complete`)
  const made = await ctx.make(id)
  t.equal((await ctx.readArchive(made)).length, made.bytes, 'the next one is complete')
})
