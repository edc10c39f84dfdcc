import { Parser } from 'tap-parser'

export interface Counts {
  passed: number
  failed: number
  skipped: number
}

/**
 * Counts the tests in tap's raw output. A test is what has a title and no tests inside it; a file without any
 * counts as one, and so does a file that failed although all in it passed (it crashed, or ran out of time).
 */
export function countTests(output: string): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  const root = new Parser()
  visit(root, counts)
  root.end(output)
  return counts
}

/** `files` and groups contain tests, so their own results count only when nothing inside them did. */
function visit(parser: Parser, counts: Counts): void {
  let inside: Counts | undefined
  parser.on('child', (child: Parser) => {
    inside = { passed: 0, failed: 0, skipped: 0 }
    visit(child, inside)
  })
  parser.on('assert', ({ ok, skip, todo }) => {
    const found = inside
    inside = undefined
    if (skip || todo) counts.skipped += 1
    else if (found === undefined) return
    else if (sum(found) === 0) counts[ok ? 'passed' : 'failed'] += 1
    else {
      if (!ok && found.failed === 0) found.failed += 1
      counts.passed += found.passed
      counts.failed += found.failed
      counts.skipped += found.skipped
    }
  })
}

const sum = ({ passed, failed, skipped }: Counts): number => passed + failed + skipped

export function inWords({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
