import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { UserFacingError } from './user-facing-error.ts'

const run = promisify(execFile)

/** A way to run a program as somebody whom PostgreSQL accepts: it refuses to run as root. */
export interface RunAs {
  /** Stands before the program and its arguments. */
  prefix: string[]
  /** Whom the data must belong to. */
  uid: number
}

/** In a user namespace of its own root is an ordinary user, who still owns the files and reaches a closed home folder. */
const namespace: RunAs = {
  prefix: ['unshare', '--user', '--map-user=1000', '--map-group=1000'],
  uid: 0,
}

/**
 * Where namespaces are off: `nobody`, who keeps one thing of root's, to pass closed folders.
 * `no_setuid_fixup`: initdb asks by access(2), which otherwise leaves the capability out.
 */
const nobody: RunAs = {
  prefix: [
    'setpriv',
    ...['--reuid=65534', '--regid=65534', '--clear-groups', '--securebits=+no_setuid_fixup'],
    ...['--inh-caps=+dac_override', '--ambient-caps=+dac_override'],
  ],
  uid: 65534,
}

/** The best first. */
export const rootAlternatives: readonly RunAs[] = [namespace, nobody]

/** The first way in which `program` runs and can write in `folder`. */
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
