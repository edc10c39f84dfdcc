// Runs random sequences of commands on the product's functions, a real database and a real mail server; each run may span
// a year. A model predicts every answer and every row. Environment:
//   MODEL_RUNS          the number of runs, 200 by default; if set, the test prints its progress
//   MODEL_SEED          the seed: the same seed repeats the same runs
//   MODEL_PATH, MODEL_REPLAY_PATH   with the seed: repeats one failed run; a failure prints all three
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
// Many runs may take hours.
if (MODEL_RUNS) t.setTimeout(180_000 + Number(MODEL_RUNS) * 2_000)

t.test('a year of deletions matches the model', async (t) => {
  const system = await openSystemUnderTest(t)
  const initialState = await createInitialState(system)

  await t.test('every rule uses the clock of the test', (t) => checkClock(t, system, initialState))

  await t.test('random sequences', async (t) => {
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

async function checkClock(t: Test, system: SystemUnderTest, initialState: World) {
  const { defaults, others } = await findClockUses(system.db)
  t.ok(defaults.includes('deletions.requested_at'), 'column defaults use it')
  t.strictSame(others, [], 'nothing in the database uses another clock')

  const world = await restoreInitialState(system, initialState)
  const session = world.sessions[1]
  if (!session?.held) throw new Error('no account is logged in')
  const grace = { iso: 'PT1H', ms: HOUR }
  const options = { person: session.person, password, eraseNow: false, grace, underWay: false }
  await runCommands(world, system, [
    requestDeletionOf(world, 1, { ...session, held: session.held }, options),
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
    'no account is erased a millisecond before the date',
  )
  t.equal(await statusAt(eraseAfter), 'erased', 'the account is erased at the date')
}
