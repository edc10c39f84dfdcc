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
  datasets: CollectedDataset[],
  files: CollectedFile[],
): Buffer {
  return Buffer.from(`YOUR DATA
=========

${explainArchive(facts).map(wrap).join('\n')}
Keep this copy where other people cannot read it.

Open index.html in a browser to read it. It works without a network.


The files
---------

Each kind of data comes twice: as JSON for programs, with every text unchanged, and as
CSV for spreadsheets. If there is a lot of data, the JSON has one object in each line
(.jsonl) instead of one array. All times are in UTC.

${[...datasets.map(describeDataset), ...(files.length > 0 ? ['  files/\n      your files as you uploaded them'] : [])].join('\n')}
  schema/
      for programs: the format of each JSON file (JSON Schema)
  manifest.json
      for programs: every file of this archive with its size, its number of rows and
      its SHA-256, and what was left out and why
${facts.note ? `\n\nPlease note\n-----------\n\n${wrap(facts.note)}\n` : ''}

The CSV files
-------------

The text is UTF-8. Each file begins with a byte-order mark, so that a spreadsheet reads
accents and other alphabets correctly. Programs should skip these three bytes
(EF BB BF).

A spreadsheet may read text that begins with = + - or @ as a formula and run it.
To prevent that, the CSV files put an apostrophe (') before such text: at the start
of a cell, and after a semicolon, a tab or a line break inside a cell. The apostrophe
is not part of your data; the JSON files contain the original text. Two quotation
marks with nothing between them mean an empty text; an empty cell means no value.
`)
}

/** Why the archive was made, and the time of its data. */
export function explainArchive({ madeAt, eraseAfter }: ArchiveFacts): string[] {
  return eraseAfter
    ? [
        `You asked for your account to be deleted. This is a copy of the data in your account at ${formatTime(madeAt)}.`,
        `Your account, and everything that belongs to it, will be erased after ${formatTime(eraseAfter)}.`,
      ]
    : [
        `You asked for a copy of your data. This is the data in your account at ${formatTime(madeAt)}.`,
      ]
}

function describeDataset({ dataset, rows, entries }: CollectedDataset): string {
  const names = entries.map(({ name }) => name).filter((name) => name.startsWith('data/'))
  return `  ${names.join(', ')}\n      ${dataset.description}: ${rows}`
}

/** To the second: 2026-01-31 12:00:00 UTC. */
export const formatTime = (at: Date) => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`

function wrap(text: string): string {
  return text.replace(/(?![^\n]{1,84}$)([^\n]{1,84}) /g, '$1\n')
}
