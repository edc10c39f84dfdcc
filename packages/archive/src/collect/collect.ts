import { text } from 'node:stream/consumers'
import type { Plan } from '@lethe/erasure'
import { indexPage } from '../page/index-page.ts'
import { type ArchiveFacts, readme } from '../page/readme.ts'
import type { Zip } from '../zip/zip.ts'
import { collectFiles } from './collect-files.ts'
import { type CollectedDataset, collectDataset } from './collect-tables.ts'
import { datasetsOf } from './datasets.ts'
import { leftOutOf, manifestText } from './manifest.ts'
import type { ReadPerson } from './read-person.ts'

export interface CollectOptions {
  /** What is a person's, and how it is called in an export. */
  plan: Plan
  userId: number
  uploadDir: string
  /** When the account is erased, where that is why the archive is made. */
  eraseAfter?: Date | undefined
}

/** Puts in everything that is the person's, file by file, and last the manifest of what was put in. */
export async function collect(
  readPerson: ReadPerson,
  { plan, userId, uploadDir, eraseAfter }: CollectOptions,
  zipOf: (time: Date) => Zip,
): Promise<void> {
  const { madeAt, kinds } = await collectTables(readPerson, plan, zipOf)
  const zip = zipOf(madeAt)
  const files = await collectFiles({ plan, userId, uploadDir }, zip)
  const facts: ArchiveFacts = { madeAt, eraseAfter, note: plan.map.exportNote }
  const pages = [
    await zip.add('README.txt', readme(facts, kinds, files)),
    await zip.add('index.html', indexPage(facts, kinds, files)),
  ]
  const entries = [
    ...kinds.flatMap((kind) => kind.entries),
    ...files.map(({ is, ...file }) => file),
    ...pages,
  ].toSorted((a, b) => a.name.localeCompare(b.name, 'en'))
  await zip.add(
    'manifest.json',
    manifestText({ formatVersion: 2, madeAt, userId, entries, leftOut: leftOutOf(plan) }),
  )
}

/** All of one snapshot, which is let go of before the files: they lie outside of it, and may take long. */
function collectTables(
  readPerson: ReadPerson,
  plan: Plan,
  zipOf: (time: Date) => Zip,
): Promise<{ madeAt: Date; kinds: CollectedDataset[] }> {
  return readPerson(async ({ takenAt, next }) => {
    if ((await text(next())) === '') throw new Error('There is no such account any more')
    const zip = zipOf(takenAt)
    const gathered: CollectedDataset[] = []
    for (const kind of datasetsOf(plan)) gathered.push(await collectDataset(kind, next(), zip))
    return { madeAt: takenAt, kinds: gathered }
  })
}
