import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openStorage } from '../src/index.ts'

// Stores so many MiB in a process of its own. It prints what memory that took at most; or, where it is told to wait, that it
// has written them, and never ends.
const [where = '', name = '', size, waits] = process.argv.slice(2)
const chunk = randomBytes(1024 * 1024)

function* chunks() {
  for (let n = 0; n < Number(size); n++) yield chunk
}

await openStorage(where).put(name, new AbortController().signal, async (sink) => {
  await pipeline(Readable.from(chunks()), sink)
  if (!waits) return
  console.log('written')
  await new Promise(() => setInterval(() => {}, 60_000))
})
console.log(process.resourceUsage().maxRSS * 1_024)
