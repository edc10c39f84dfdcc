import { randomUUID } from 'node:crypto'
import { dataMap } from '@lethe/accounts'
import { connect, openSnapshotPool } from '@lethe/db'
import { makePlan } from '@lethe/erasure'
import { makeArchive, openStorage } from '../src/index.ts'
import { key } from './setup.ts'

// Makes one archive in its own process, and prints its facts and the peak memory.
const [url = '', userId, exportDir = '', uploadDir = ''] = process.argv.slice(2)
const db = connect(url, { max: 1 })
const plan = await makePlan(db, dataMap)
await db.destroy()
const readers = openSnapshotPool(url, { max: 1 })
const made = await makeArchive(readers, openStorage(exportDir), {
  plan,
  userId: Number(userId),
  uploadDir,
  key,
  eraseAfter: new Date(),
  exportId: randomUUID(),
  lease: randomUUID(),
  signal: new AbortController().signal,
})
await readers.end()
const peakBytes = process.resourceUsage().maxRSS * 1_024
console.log(JSON.stringify({ ...made, sha256: made.sha256.toString('hex'), peakBytes }))
