import { text } from 'node:stream/consumers'
import type { Plan } from '@lethe/erasure'
import { renderIndexPage } from '../page/index-page.ts'
import { type ArchiveFacts, renderReadme } from '../page/readme.ts'
import type { Zip } from '../zip/zip.ts'
import { collectFiles } from './collect-files.ts'
import { type CollectedDataset, collectDataset } from './collect-tables.ts'
import { getDatasets } from './datasets.ts'
import { findLeftOut, formatManifest } from './manifest.ts'
import type { ReadPerson } from './read-person.ts'

export interface CollectOptions {
  /** Says which data belongs to a person, and its names in an export. */
  plan: Plan
  userId: number
  uploadDir: string
  /** When the account is erased; undefined if the archive does not belong to a deletion. */
  eraseAfter?: Date | undefined
}

/** Adds all data of the person, and last the manifest of what was added. */
export async function collect(
  readPerson: ReadPerson,
  { plan, userId, uploadDir, eraseAfter }: CollectOptions,
  openZip: (time: Date) => Zip,
): Promise<void> {
  const { madeAt, datasets } = await collectTables(readPerson, plan, openZip)
  const zip = openZip(madeAt)
  const files = await collectFiles({ plan, userId, uploadDir }, zip)
  const facts: ArchiveFacts = { madeAt, eraseAfter, note: plan.map.exportNote }
  const pages = [
    await zip.add('README.txt', renderReadme(facts, datasets, files)),
    await zip.add('index.html', renderIndexPage(facts, datasets, files)),
  ]
  const entries = [
    ...datasets.flatMap((dataset) => dataset.entries),
    ...files.map(({ description, ...file }) => file),
    ...pages,
  ].toSorted((a, b) => a.name.localeCompare(b.name, 'en'))
  await zip.add(
    'manifest.json',
    formatManifest({ formatVersion: 2, madeAt, userId, entries, leftOut: findLeftOut(plan) }),
  )
}

/** Reads all tables in one snapshot, which ends before the files: they are not part of it, and may take long. */
function collectTables(
  readPerson: ReadPerson,
  plan: Plan,
  openZip: (time: Date) => Zip,
): Promise<{ madeAt: Date; datasets: CollectedDataset[] }> {
  return readPerson(async ({ takenAt, next }) => {
    if ((await text(next())) === '') throw new Error('There is no such account any more')
    const zip = openZip(takenAt)
    const collected: CollectedDataset[] = []
    for (const dataset of getDatasets(plan))
      collected.push(await collectDataset(dataset, next(), zip))
    return { madeAt: takenAt, datasets: collected }
  })
}
