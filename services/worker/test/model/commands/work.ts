import type { JobName } from '@lethe/queue'
import { createHandlers } from '../../../src/handlers/index.ts'
import { sweepTasks } from '../../../src/sweep.ts'
import { noQueue } from '../../setup.ts'
import { atomically, type Command } from '../command.ts'
import type { SystemUnderTest } from '../system-under-test.ts'
import type { World } from '../world.ts'
import { dispatchInModel, dispatchInSystem } from './dispatch.ts'
import { eraseAccounts } from './erase-accounts.ts'
import { exportAccounts } from './export-accounts.ts'
import { sendMail } from './send-mail.ts'
import { sweeps } from './sweep.ts'

export const jobNames: JobName[] = ['send-mail', 'export-accounts', 'erase-accounts']

const commandsByName = {
  'send-mail': sendMail,
  'export-accounts': exportAccounts,
  'erase-accounts': eraseAccounts,
}

/** Runs jobs of these names until no row is free. With all names, it stages the reminders too. */
export function work(names: JobName[]): Command {
  const reminds = names.length === jobNames.length
  return {
    modelSteps: atomically((world) => {
      if (reminds) sweeps['stage-reminders'](world)
      while (names.filter((name) => runModelRound(world, name)).length > 0);
      return {}
    }),
    async perform(system) {
      if (reminds) await sweepTasks(system.deps, noQueue)['stage-reminders'].run()
      let more = true
      while (more) {
        more = false
        for (const name of names) more = (await runSystemRound(system, name)) || more
      }
      return { answer: {} }
    },
  }
}

/** Returns false if no row was free. */
function runModelRound(world: World, name: JobName): boolean {
  const jobs = dispatchInModel(world, name)
  for (const { lease } of jobs === 0 ? [] : world.jobs.slice(-jobs)) {
    const course = commandsByName[name](lease, '').modelSteps(world, () => 0)
    while (!course.next().done);
  }
  return jobs > 0
}

async function runSystemRound(system: SystemUnderTest, name: JobName): Promise<boolean> {
  const leases = await dispatchInSystem(system, name)
  const handle = createHandlers(system.deps)[name]
  await Promise.all(leases.map((lease) => handle({ lease })))
  return leases.length > 0
}
