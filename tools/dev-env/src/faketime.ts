import { glob } from 'node:fs/promises'

/** The library that gives a process another time (Debian: `faketime`); undefined where it is not installed. */
export async function findFaketime(): Promise<string | undefined> {
  for await (const file of glob('/usr/lib*/{,*/}faketime/libfaketime.so.1')) return file
  return undefined
}
