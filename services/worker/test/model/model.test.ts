// Random lives of deletions, on the real functions, a real database and a real mail server, with a year to pass in each.
// A model says of every answer and of every row what it must be. From the environment:
//   MODEL_RUNS          how many lives, 200 unless told; told, it also shows how far it is
//   MODEL_SEED          another number for other lives, the same number for the same ones
//   MODEL_PATH, MODEL_REPLAY_PATH   with the seed: the one life that failed; a failure prints all three
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { password } from './arbitraries/names.ts'
import { findClockUses, setClock } from './clock.ts'
import { requestDeletionOf } from './commands/deletions.ts'
import { eraseUndue } from './commands/erase-accounts.ts'
import { HOUR } from './durations.ts'
import { createInitialState, restoreInitialState } from './initial-state.ts'
import { runCommands } from './run-commands.ts'
import { describeFailure, runMany } from './runs.ts'
import { openSystemUnderTest, type SystemUnderTest } from './system-under-test.ts'
import type { World } from './world.ts'

const { MODEL_RUNS, MODEL_SEED, MODEL_PATH, MODEL_REPLAY_PATH } = process.env
// More lives than usual may take hours.
if (MODEL_RUNS) t.setTimeout(180_000 + Number(MODEL_RUNS) * 2_000)

t.test('a year of deletions goes as the model says', async (t) => {
  const system = await openSystemUnderTest(t)
  const initialState = await createInitialState(system)

  await t.test('time passes when it is told to, for every rule', (t) =>
    timeIsTold(t, system, initialState),
  )

  await t.test('random lives', async (t) => {
    const { failure, summary } = await runMany(system, initialState, {
      runs: Number(MODEL_RUNS ?? 200),
      seed: MODEL_SEED === undefined ? undefined : Number(MODEL_SEED),
      path: MODEL_PATH,
      replayPath: MODEL_REPLAY_PATH,
      print: (line) => MODEL_RUNS && console.error(line),
    })
    if (failure) console.error(describeFailure(failure))
    t.notOk(failure, summary)
  })
})

async function timeIsTold(t: Test, system: SystemUnderTest, initialState: World) {
  const { defaults, others } = await findClockUses(system.db)
  t.ok(defaults.includes('deletions.requested_at'), 'the defaults of columns are bound to it')
  t.strictSame(others, [], 'and nothing in the database to another clock')

  const world = await restoreInitialState(system, initialState)
  const logIn = world.sessions[1]
  if (!logIn?.held) throw new Error('nobody is logged in')
  const grace = { iso: 'PT1H', ms: HOUR }
  const wish = { person: logIn.person, password, eraseNow: false, grace, underWay: false }
  await runCommands(world, system, [
    requestDeletionOf(world, 1, { ...logIn, held: logIn.held }, wish),
  ])
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(system.db)
  const eraseAfter = world.deletions[0]?.eraseAfter ?? 0
  const statusAt = async (instant: number) => {
    await setClock(system.db, instant)
    await eraseUndue(world, 0).perform(system)
    const row = system.db.selectFrom('deletions').select('status')
    return (await row.executeTakeFirstOrThrow()).status
  }
  t.equal(
    await statusAt(eraseAfter - 1),
    'pending',
    'a millisecond before the date nobody is erased',
  )
  t.equal(await statusAt(eraseAfter), 'erased', 'and at the date they are')
}
