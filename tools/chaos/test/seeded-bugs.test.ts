import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { seededBugs } from '../src/bugs/seeded-bugs.ts'

const root = path.join(import.meta.dirname, '../../..')

t.test('each seeded bug can be planted: its text occurs exactly once', async (t) => {
  t.equal(seededBugs.length, 20)
  for (const { name, file, find } of seededBugs) {
    const text = await readFile(path.join(root, file), 'utf8')
    t.equal(text.split(find).length - 1, 1, `${name} (${file})`)
  }
})
