import { randomUUID } from 'node:crypto'
import { until } from '@lethe/machine-speed'
import { jobNames, openQueue } from '../src/index.ts'

// Runs in its own process, because Node.js reads NODE_EXTRA_CA_CERTS at start. Prints how many jobs ran, or the error.

const errors = new Set<string>()
const queue = await openQueue({
  redisUrl: process.env.REDIS_URL,
  databaseUrl: '',
  onError: ({ message }) => errors.add(message),
})
try {
  let done = 0
  const work = async () => void done++
  const worker = await queue.startWorker(
    { 'send-mail': work, 'export-accounts': work, 'erase-accounts': work },
    { 'send-mail': 1, 'export-accounts': 1, 'erase-accounts': 1 },
  )
  for (const name of jobNames) {
    await queue.publish(name, [randomUUID(), 'no lease'])
    await until('the job is done', async () => {
      const { waiting, active, failed } = await queue.counts(name)
      return waiting + active === 0 && failed === 1
    })
  }
  const aside = await queue.failedJobs(10)
  await worker.close()
  await queue.close()
  console.log(`${done} done, ${aside.length} set aside`)
} catch (error) {
  console.log(errors.size > 0 ? [...errors].join('\n') : error)
  process.exit()
}
