import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { connect } from '@lethe/db'
import { makeArchive } from '../src/index.ts'
import { unzip } from './unzip.ts'

// Makes one archive in a process of its own and prints what it took at most; opens it only afterwards.
const [url = '', userId, exportDir = '', uploadDir = ''] = process.argv.slice(2)
const db = connect(url)
const started = performance.now()
const { fileName } = await makeArchive(db, {
  ...{ userId: Number(userId), exportDir, uploadDir, eraseAfter: new Date() },
  ...{ exportId: randomUUID(), lease: randomUUID(), signal: new AbortController().signal },
})
const seconds = Math.round(performance.now() - started) / 1_000
const peakBytes = process.resourceUsage().maxRSS * 1_024
await db.destroy()

const entries = await unzip(path.join(exportDir, fileName))
const rows = JSON.parse(String(entries.get('saved-passwords.json'))).length
console.log(JSON.stringify({ rows, peakBytes, seconds }))
