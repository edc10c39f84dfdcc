import type { Added } from './zip.ts'

interface LeftOut {
  what: string
  why: string
}

export interface Manifest {
  formatVersion: 1
  madeAt: Date
  userId: number
  /** In the order of the archive, without the manifest itself. `sha256` is of the entry as unpacked. */
  entries: (Added & { rows?: number })[]
  leftOut: LeftOut[]
}

/** What is never handed over, and why. */
export const alwaysLeftOut: readonly LeftOut[] = [
  {
    what: 'the hash of your password',
    why: 'It tells nothing about you, and would help whoever wants to guess the password.',
  },
  {
    what: 'the hashes of session tokens and of the tokens in mailed links',
    why: 'They are part of the lock, not of your data.',
  },
  {
    what: 'the passwords in saved-passwords, and the key they are encrypted under',
    why: 'A link in a mailbox must not open them. README.txt says how to get them.',
  },
  {
    what: 'the working notes of the service on mails, archives, tries and limits',
    why: 'They keep the service going, and tell nothing of you but what deletion.json says.',
  },
]

export const avatarMissing: LeftOut = {
  what: 'your picture',
  why: 'The database knows of it, but its file is missing from the storage of the service.',
}

export const manifestText = (manifest: Manifest) => `${JSON.stringify(manifest, null, 2)}\n`
