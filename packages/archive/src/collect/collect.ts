import { text } from 'node:stream/consumers'
import type { Plan } from '@lethe/erasure'
import { indexPage } from '../page/index-page.ts'
import { type ArchiveFacts, readme } from '../page/readme.ts'
import type { Zip } from '../zip/zip.ts'
import { gatherFiles } from './collect-files.ts'
import { type GatheredKind, gatherKind } from './collect-tables.ts'
import { kindsOf } from './datasets.ts'
import { leftOutOf, manifestText } from './manifest.ts'
import type { ReadPerson } from './read-person.ts'

export interface GatherOptions {
  /** What is a person's, and how it is called in an export. */
  plan: Plan
  userId: number
  uploadDir: string
  /** When the account is erased, where that is why the archive is made. */
  eraseAfter?: Date | undefined
}

/** Puts in everything that is the person's, file by file, and last the manifest of what was put in. */
export async function gather(
  readPerson: ReadPerson,
  { plan, userId, uploadDir, eraseAfter }: GatherOptions,
  zipOf: (time: Date) => Zip,
): Promise<void> {
  const { madeAt, kinds } = await gatherTables(readPerson, plan, zipOf)
  const zip = zipOf(madeAt)
  const files = await gatherFiles({ plan, userId, uploadDir }, zip)
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
function gatherTables(
  readPerson: ReadPerson,
  plan: Plan,
  zipOf: (time: Date) => Zip,
): Promise<{ madeAt: Date; kinds: GatheredKind[] }> {
  return readPerson(async ({ takenAt, next }) => {
    if ((await text(next())) === '') throw new Error('There is no such account any more')
    const zip = zipOf(takenAt)
    const gathered: GatheredKind[] = []
    for (const kind of kindsOf(plan)) gathered.push(await gatherKind(kind, next(), zip))
    return { madeAt: takenAt, kinds: gathered }
  })
}
