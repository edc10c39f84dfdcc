import type { CollectedFile } from '../collect/collect-files.ts'
import type { CollectedDataset } from '../collect/collect-tables.ts'

export interface ArchiveFacts {
  madeAt: Date
  /** When the account is erased; undefined if the archive does not belong to a deletion. */
  eraseAfter?: Date | undefined
  /** The data map's note to the reader of an export. */
  note?: string | undefined
}

/** Explains the archive to a person who unpacks it and does not know the service. */
export function renderReadme(
  facts: ArchiveFacts,
  kinds: CollectedDataset[],
  files: CollectedFile[],
): Buffer {
  return Buffer.from(`YOUR DATA
=========

${explainArchive(facts).map(wrap).join('\n')}
Keep this copy where other people cannot read it.

Open index.html to look at it: it needs a browser and no network.


The files
---------

Each kind of data comes twice: as JSON for programs, with every text exactly as it is,
and as CSV for spreadsheets. Where there is a lot of it, the JSON has one object in each
line (.jsonl) instead of one array. All times are in UTC.

${[...kinds.map(describeDataset), ...(files.length > 0 ? ['  files/\n      your files as you uploaded them'] : [])].join('\n')}
  schema/
      for programs: what each JSON file holds (JSON Schema)
  manifest.json
      for programs: every file of this archive with its size, its number of rows and
      its SHA-256, and what was left out and why
${facts.note ? `\n\nTo know\n-------\n\n${wrap(facts.note)}\n` : ''}

The CSV files
-------------

The text is UTF-8. Each file begins with a byte-order mark, so that a spreadsheet reads
accents and other alphabets correctly. Programs should skip these three bytes
(EF BB BF).

A spreadsheet may take text that begins with = + - or @ for a formula and run it.
Where text could be read so, an apostrophe (') stands before it: at the start of a
cell, and after a semicolon, a tab or a line break inside of one. The apostrophe is
not part of your data; the JSON files hold the text as it is. Two quotation marks with
nothing between them are an empty text; nothing at all means that there is no value.
`)
}

/** Why the archive was made, and the time of its data. */
export function explainArchive({ madeAt, eraseAfter }: ArchiveFacts): string[] {
  return eraseAfter
    ? [
        `You asked for your account to be deleted. This is a copy of the data that the account held, as it stood at ${formatTime(madeAt)}.`,
        `The account, and everything that belongs to it, is erased after ${formatTime(eraseAfter)}.`,
      ]
    : [
        `You asked for a copy of your data. This is what your account held at ${formatTime(madeAt)}.`,
      ]
}

function describeDataset({ dataset, rows, entries }: CollectedDataset): string {
  const names = entries.map(({ name }) => name).filter((name) => name.startsWith('data/'))
  return `  ${names.join(', ')}\n      ${dataset.is}: ${rows}`
}

/** To the second: 2026-01-31 12:00:00 UTC. */
export const formatTime = (at: Date) => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`

function wrap(text: string): string {
  return text.replace(/(?![^\n]{1,84}$)([^\n]{1,84}) /g, '$1\n')
}
