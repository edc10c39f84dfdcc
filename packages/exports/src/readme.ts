import { kinds } from './kinds.ts'

interface ReadmeFacts {
  madeAt: Date
  eraseAfter: Date
}

/** What the archive is, for a person who unpacks it and knows nothing of us. */
export const readme = ({ madeAt, eraseAfter }: ReadmeFacts) => `YOUR DATA
=========

You asked for your account to be deleted. This archive is a copy of the data that
the account held, as they stood at ${time(madeAt)}.
The account, and everything that belongs to it, is erased after ${time(eraseAfter)}.
Keep this copy where nobody else can read it.


The files
---------

Each kind of data comes twice: as JSON for programs, with every text exactly as it is,
and as CSV for spreadsheets. All times are in UTC.

${files()}
  avatar.png, .jpg or .webp
      your picture as you uploaded it, if you have one
  manifest.json
      for programs: every file of this archive with its size, its number of rows and
      its SHA-256, and what was left out and why


Your saved passwords
--------------------

The archive lists the sites and user names you saved, but not the passwords
themselves: whoever reads your mail must not be able to open them. To get them,
open the page that the mail about this archive links to
and enter the password of your account. This works until the account is erased.


The CSV files
-------------

A spreadsheet may take text that begins with = + - or @ for a formula and run it.
Where text could be read so, an apostrophe (') stands before it: at the start of a
cell, and after a semicolon, a tab or a line break inside of one. The apostrophe is
not part of your data; the JSON files hold the text as it is.
`

const files = () =>
  kinds.map(({ name, about }) => `  ${name}.json, ${name}.csv\n      ${about}`).join('\n')

/** To the second, readable: 2026-01-31 12:00:00 UTC. */
const time = (at: Date) => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`
