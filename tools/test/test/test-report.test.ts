import { Readable } from 'node:stream'
import t from 'tap'
import { formatCounts, report } from '../src/test-report.ts'

t.test('counts what has a title and no tests inside it', async (t) => {
  const { counts } = await read(`
# Subtest: a.test.ts
    # Subtest: one
        ok 1 - an assertion
        ok 2 - another
        1..2
    ok 1 - one
    # Subtest: group
        # Subtest: two
            ok 1 - an assertion
            1..1
        ok 1 - two
        # Subtest: three
            not ok 1 - a wrong one
            1..1
        not ok 2 - three
        1..2
    not ok 2 - group
    ok 3 - four # SKIP no browser
    1..3
not ok 1 - a.test.ts
1..1
`)
  t.same(counts, { passed: 2, failed: 1, skipped: 1, unjudged: 0 })
})

t.test('a file without titles counts as one test, and so does one that crashed', async (t) => {
  const { counts } = await read(`
# Subtest: bare.test.ts
    ok 1 - an assertion
    1..1
ok 1 - bare.test.ts
# Subtest: empty.test.ts
    1..0 # no tests found
not ok 2 - empty.test.ts
# Subtest: late.test.ts
    # Subtest: one
        ok 1 - an assertion
        1..1
    ok 1 - one
    1..1
not ok 3 - late.test.ts
1..3
`)
  t.same(counts, { passed: 2, failed: 2, skipped: 0, unjudged: 0 })
})

t.test('reports each failure once, with its titles and details', async (t) => {
  const { lines } = await read(`
# Subtest: a.test.ts
    # Subtest: one
        not ok 1 - they are equal
          ---
          diff: |
            -1
            +2
          ...
        1..1
    not ok 1 - one
    1..1
not ok 1 - a.test.ts
# Subtest: b.test.ts
    1..0
not ok 2 - b.test.ts
  ---
  exitCode: 7
  ...
1..2
`)
  t.same(lines, [
    '\n✖ a.test.ts › one › they are equal',
    '    diff:\n      -1\n      +2',
    '✖ a.test.ts: 0 passed, 1 failed',
    '\n✖ b.test.ts',
    '    exitCode: 7',
    '✖ b.test.ts: 0 passed, 1 failed',
  ])
})

t.test('reports skipped tests only if there are any', async (t) => {
  const none = { failed: 0, skipped: 0, unjudged: 0 }
  t.equal(formatCounts({ ...none, passed: 3 }), '3 passed, 0 failed')
  t.equal(
    formatCounts({ passed: 3, failed: 1, skipped: 2, unjudged: 4 }),
    '3 passed, 1 failed, 2 skipped, 4 cannot be judged',
  )
})

t.test(
  'a claim that the machine was too slow for is printed, and counted separately',
  async (t) => {
    const { counts, lines } = await read(`
# Subtest: a.test.ts
    # Subtest: it closes
        ok 1 - in time # SKIP cannot be judged: 8 s instead of 2 s
        ok 2 - with 0
        1..2
    ok 1 - it closes
    1..1
ok 1 - a.test.ts
1..1
`)
    t.same(counts, { passed: 1, failed: 0, skipped: 0, unjudged: 1 })
    t.same(lines, [
      '? a.test.ts › it closes › in time: cannot be judged: 8 s instead of 2 s',
      '✔ a.test.ts: 1 passed, 0 failed, 1 cannot be judged',
    ])
  },
)

async function read(output: string) {
  const lines: string[] = []
  const counts = await report(Readable.from([Buffer.from(output)]), (line) => lines.push(line))
  return { counts, lines }
}
