import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { UserFacingError } from './user-facing-error.ts'

const run = promisify(execFile)

/** How to run a program as a user that PostgreSQL accepts: it refuses to run as root. */
export interface RunAs {
  /** Comes before the program and its arguments. */
  prefix: string[]
  /** The user who must own the data. */
  uid: number
}

/** In its own user namespace root is an ordinary user, who still owns the files and can enter a closed home folder. */
const namespace: RunAs = {
  prefix: ['unshare', '--user', '--map-user=1000', '--map-group=1000'],
  uid: 0,
}

/**
 * For systems without user namespaces: the user `nobody`, with one capability of root, to enter closed folders.
 * `no_setuid_fixup`: initdb checks with access(2), which otherwise ignores the capability.
 */
const nobody: RunAs = {
  prefix: [
    'setpriv',
    ...['--reuid=65534', '--regid=65534', '--clear-groups', '--securebits=+no_setuid_fixup'],
    ...['--inh-caps=+dac_override', '--ambient-caps=+dac_override'],
  ],
  uid: 65534,
}

/** In order of preference. */
export const rootAlternatives: readonly RunAs[] = [namespace, nobody]

/** Returns the first way in which `program` runs and can write to `folder`. */
export async function findRunAs(program: string, folder: string): Promise<RunAs> {
  const uid = process.getuid?.() ?? -1
  if (uid !== 0) return { prefix: [], uid }
  for (const runAs of rootAlternatives) if (await canRun(runAs, program, folder)) return runAs
  throw new UserFacingError(
    'PostgreSQL does not run as root, and neither `unshare` nor `setpriv` can help here: start as an ordinary user, or set DATABASE_URL to a server of your own.',
  )
}

export async function canRun({ prefix }: RunAs, program: string, folder: string): Promise<boolean> {
  const [command = '', ...options] = prefix
  const probe = ['sh', '-c', 'test -w "$1" && test -x "$0"', program, folder]
  return run(command, [...options, ...probe]).then(
    () => true,
    () => false,
  )
}
