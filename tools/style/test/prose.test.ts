import t from 'tap'
import { bannedWords } from '../src/banned-words.ts'
import { proseOfCode, proseOfMarkdown } from '../src/prose.ts'

t.test('reads comments and test titles, and no code', async (t) => {
  const source = [
    'const nobody = 1 // Waits for somebody.',
    '/** Locks the row',
    ' * for whoever asks. */',
    "t.test('nobody is told', async (t) => {",
    "  t.equal(nobody, 'somebody')",
  ].join('\n')
  const prose = proseOfCode(source)
  t.strictSame(
    prose.map(({ line }) => line),
    [1, 2, 3, 4],
  )
  t.match(prose[0]?.text, /^Waits for somebody/)
})

t.test('reads Markdown without its code', async (t) => {
  const source = ['Run `nobody`.', '```sh', 'echo somebody', '```', 'The end.'].join('\n')
  t.strictSame(proseOfMarkdown(source), [
    { line: 1, text: 'Run .' },
    { line: 5, text: 'The end.' },
  ])
})

t.test('finds the banned words and is quiet on honest prose', async (t) => {
  const isBanned = (text: string) => bannedWords.some(({ pattern }) => pattern.test(text))
  for (const text of [
    'Whoever holds the lease finishes the row.',
    'The mail tells of the deletion.',
    'The file lies in the folder.',
    'Rows that hang on the person go first.',
    'The job is queued anew.',
  ])
    t.ok(isBanned(text), text)
  for (const text of [
    'The worker that holds the lease finishes the row.',
    'A lock holds the row until the transaction ends.',
    'The truth is in the rows, and the body of the request is JSON.',
    'The renewal of the lease fails once it has expired.',
  ])
    t.notOk(isBanned(text), text)
})
