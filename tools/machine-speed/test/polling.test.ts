import { glob, readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'

const root = path.join(import.meta.dirname, '../../..')
const places = [
  '{packages,services}/*/{test,testing}/**/*.ts',
  'tools/{bench,chaos,test}/{src,test}/**/*.ts',
]

/** A polling loop, and a helper that replaces one. */
const polling = /\bwhile \([!(]*await\b|\bfunction (until|eventually|waitFor)\b/

t.test('tests wait only with `until`, which has a bound', async (t) => {
  const found: string[] = []
  for (const place of places)
    for await (const file of glob(place, { cwd: root, exclude: (name) => name === 'node_modules' }))
      if (polling.test(await readFile(path.join(root, file), 'utf8'))) found.push(file)
  t.strictSame(found, [])
})
