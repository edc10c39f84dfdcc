import t from 'tap'
import { formatBytes, formatDate, formatDay, NO_BREAK_SPACE } from '../src/format.ts'

t.test('dates are in UTC and cut to the minute, wherever the server stands', async (t) => {
  t.equal(spaced(formatDate(new Date('2026-12-27T14:05:59.999Z'))), '27 December 2026, 14:05 UTC')
  t.equal(spaced(formatDate(new Date('2026-12-31T23:59:59-01:00'))), '1 January 2027, 00:59 UTC')
  t.equal(spaced(formatDate(new Date('2026-07-01T00:00:00Z'))), '1 July 2026, 00:00 UTC')
  t.equal(formatDay(new Date('2026-03-29T23:30:00Z')), '29 March 2026')
})

t.test('sizes are readable', async (t) => {
  t.equal(spaced(formatBytes(0)), '0 bytes')
  t.equal(spaced(formatBytes(1)), '1 byte')
  t.equal(spaced(formatBytes(999)), '999 bytes')
  t.equal(spaced(formatBytes(1_000)), '1 kB')
  t.equal(spaced(formatBytes(3_440_000)), '3.44 MB')
  t.equal(spaced(formatBytes(2_000_000_000)), '2 GB')
})

t.test('no line can break inside a date or a size', async (t) => {
  t.notMatch(formatDate(new Date()), ' ')
  t.notMatch(formatBytes(3_440_000), ' ')
})

function spaced(words: string): string {
  return words.replaceAll(NO_BREAK_SPACE, ' ')
}
