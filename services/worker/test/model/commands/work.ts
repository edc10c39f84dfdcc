import type { JobName } from '@lethe/queue'
import { handlersWith } from '../../../src/handlers/index.ts'
import { sweepTasks } from '../../../src/sweep.ts'
import { noQueue } from '../../setup.ts'
import { atOnce, type Deed } from '../command.ts'
import type { Real } from '../system-under-test.ts'
import type { World } from '../world.ts'
import { eraseAccounts } from './erase-accounts.ts'
import { exportAccounts } from './export-accounts.ts'
import { lendFree, lendReal } from './lend.ts'
import { sendMail } from './send-mail.ts'
import { sweeps } from './sweep.ts'

export const jobNames: JobName[] = ['send-mail', 'export-accounts', 'erase-accounts']

const courses = {
  'send-mail': sendMail,
  'export-accounts': exportAccounts,
  'erase-accounts': eraseAccounts,
}

/** A worker does the jobs of these names until none of them is free any more; where it does all, it reminds people too. */
export function work(names: JobName[]): Deed {
  const reminds = names.length === jobNames.length
  return {
    course: atOnce((world) => {
      if (reminds) sweeps['stage-reminders'](world)
      while (names.filter((name) => workRound(world, name)).length > 0);
      return {}
    }),
    async perform(real) {
      if (reminds) await sweepTasks(real.deps, noQueue)['stage-reminders'].run()
      let more = true
      while (more) {
        more = false
        for (const name of names) more = (await realRound(real, name)) || more
      }
      return { answer: {} }
    },
  }
}

/** False when nothing was free. */
function workRound(world: World, name: JobName): boolean {
  const jobs = lendFree(world, name)
  for (const { lease } of jobs === 0 ? [] : world.jobs.slice(-jobs)) {
    const course = courses[name](lease, '').course(world, () => 0)
    while (!course.next().done);
  }
  return jobs > 0
}

async function realRound(real: Real, name: JobName): Promise<boolean> {
  const leases = await lendReal(real, name)
  const handle = handlersWith(real.deps)[name]
  await Promise.all(leases.map((lease) => handle({ lease })))
  return leases.length > 0
}
