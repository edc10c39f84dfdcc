import { Parser, type Result } from 'tap-parser'

export interface Counts {
  passed: number
  failed: number
  skipped: number
  /** Claims about time that this machine was too slow to judge; neither passed nor failed. */
  unjudged: number
}

type Print = (line: string) => void

/**
 * Reads tap's raw output as it comes, prints a line for each file and the details of each failure, and counts the
 * tests. A test has a title and no tests inside it. A file without titles counts as one test, and so does a file that
 * failed although all tests in it passed (a crash or timeout).
 */
export async function report(output: AsyncIterable<Buffer>, print: Print): Promise<Counts> {
  const counts = none()
  const root = new Parser()
  visit(root, [], counts, print)
  for await (const chunk of output) root.write(chunk)
  root.end()
  return counts
}

export function formatCounts({ passed, failed, skipped, unjudged }: Counts): string {
  const rest = [
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ...(unjudged > 0 ? [`${unjudged} cannot be judged`] : []),
  ]
  return [`${passed} passed`, `${failed} failed`, ...rest].join(', ')
}

/** Returns a function that gives the number of failures printed so far. */
function visit(parser: Parser, titles: string[], counts: Counts, print: Print): () => number {
  let inside: { counts: Counts; printed: () => number } | undefined
  let printed = 0
  parser.on('child', (child: Parser) => {
    const found = none()
    inside = { counts: found, printed: visit(child, [...titles, child.name], found, print) }
  })
  // The standard output of a test.
  parser.on('extra', (text: string) => text.trim() && print(text.trimEnd()))
  parser.on('assert', (result: Result) => {
    const { ok, name, skip, todo } = result
    const found = inside?.counts
    printed += inside?.printed() ?? 0
    if (!ok && !todo && !inside?.printed()) {
      printFailure(result, titles, print)
      printed += 1
    }
    inside = undefined
    if (typeof skip === 'string' && skip.startsWith('cannot be judged')) {
      counts.unjudged += 1
      print(`? ${[...titles, name].join(' › ')}: ${skip}`)
    } else if (skip || todo) counts.skipped += 1
    else if (found) {
      if (isNone(found)) found[ok ? 'passed' : 'failed'] += 1
      else if (!ok && found.failed === 0) found.failed += 1
      add(counts, found)
      if (titles.length === 0) print(`${ok ? '✔' : '✖'} ${name}: ${formatCounts(found)}`)
    }
  })
  return () => printed
}

/** `diag` is the YAML that tap writes under a failed assertion or a file that crashed. */
function printFailure({ name, diag }: Result, titles: string[], print: Print): void {
  print(`\n✖ ${[...titles, name].join(' › ')}`)
  for (const key of [
    'message',
    'diff',
    'found',
    'wanted',
    'stack',
    'exitCode',
    'signal',
    'timeout',
  ]) {
    const value: unknown = diag?.[key]
    if (value === undefined || value === null) continue
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    const [first = '', ...more] = text.trimEnd().split('\n')
    if (more.length === 0) print(`    ${key}: ${first}`)
    else print([`    ${key}:`, first, ...more].join('\n      '))
  }
}

const none = (): Counts => ({ passed: 0, failed: 0, skipped: 0, unjudged: 0 })

// An assertion that cannot be judged is not a test; the test around it counts too.
const isNone = ({ passed, failed, skipped }: Counts): boolean => passed + failed + skipped === 0

function add(counts: Counts, more: Counts): void {
  counts.passed += more.passed
  counts.failed += more.failed
  counts.skipped += more.skipped
  counts.unjudged += more.unjudged
}
