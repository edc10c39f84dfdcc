import { scryptSync } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

// A fixed amount of work, long enough that other processes on a busy machine get CPU time within it.
parentPort?.on('message', () => {
  const began = performance.now()
  scryptSync('speed', 'of this machine', 32, { N: 8_192, r: 8, p: 1 })
  parentPort?.postMessage(performance.now() - began)
})
