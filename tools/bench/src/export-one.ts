import { randomBytes, randomUUID } from 'node:crypto'
import path from 'node:path'
import { dataMap } from '@lethe/accounts'
import { makeArchive, openStorage } from '@lethe/archive'
import { connect, openSnapshotPool } from '@lethe/db'
import { makePlan } from '@lethe/erasure'

// Exports one person, and prints the time in milliseconds and the peak memory of the process.
const [url = '', userId, folder = ''] = process.argv.slice(2)
const db = connect(url, { max: 1 })
const plan = await makePlan(db, dataMap)
await db.destroy()
const readers = openSnapshotPool(url, { max: 1 })
const storage = openStorage(path.join(folder, 'exports'))
const began = performance.now()
const { fileName } = await makeArchive(readers, storage, {
  ...{ plan, userId: Number(userId), uploadDir: path.join(folder, 'uploads') },
  ...{ key: randomBytes(32), exportId: randomUUID(), lease: randomUUID() },
  signal: new AbortController().signal,
})
const ms = performance.now() - began
const peakBytes = process.resourceUsage().maxRSS * 1_024
await storage.remove([fileName])
await readers.end()
console.log(JSON.stringify({ ms, peakBytes }))
