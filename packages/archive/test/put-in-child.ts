import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openStorage } from '../src/index.ts'

// Stores `size` MiB in its own process and prints the peak memory. With a fourth argument it prints `written` before the end
// of the put, and then never ends.
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
