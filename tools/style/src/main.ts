import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { bannedWords } from './banned-words.ts'
import { proseOfCode, proseOfMarkdown } from './prose.ts'

// Part of `pnpm check`: prints each place that uses a word that docs/style.md bans, and fails if there is one.
const root = path.join(import.meta.dirname, '../../..')
/** The page that names the words, and the check itself. Migrations that have run anywhere stay as they are. */
const exceptions = /^(docs\/style\.md|tools\/style\/|migrations\/)/

const files = execFileSync('git', ['ls-files', '*.ts', '*.md', '*.sql', '*.yml'], { cwd: root })
  .toString()
  .split('\n')
  .filter((file) => file !== '' && !exceptions.test(file))

let found = 0
for (const file of files) {
  const source = readFileSync(path.join(root, file), 'utf8')
  const prose = file.endsWith('.md') ? proseOfMarkdown(source) : proseOfCode(source)
  for (const { line, text } of prose)
    for (const { pattern, instead } of bannedWords) {
      const word = pattern.exec(text)?.[0]
      if (word === undefined) continue
      found++
      console.log(`${file}:${line}: “${word}”: ${instead}`)
    }
}
if (found > 0) {
  console.log(`${found} places use words that docs/style.md bans.`)
  process.exitCode = 1
}
