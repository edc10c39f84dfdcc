import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A way to run a program as somebody whom PostgreSQL accepts: it refuses to run as root. */
export interface Way {
  /** Stands before the program and its arguments. */
  prefix: string[]
  /** Whom the data must belong to. */
  uid: number
}

/** In a user namespace of its own root is an ordinary user, who still owns the files and reaches a closed home folder. */
const namespace: Way = {
  prefix: ['unshare', '--user', '--map-user=1000', '--map-group=1000'],
  uid: 0,
}

/**
 * Where namespaces are off: `nobody`, who keeps one thing of root's, to pass closed folders.
 * `no_setuid_fixup`: initdb asks by access(2), which otherwise leaves the capability out.
 */
const nobody: Way = {
  prefix: [
    'setpriv',
    ...['--reuid=65534', '--regid=65534', '--clear-groups', '--securebits=+no_setuid_fixup'],
    ...['--inh-caps=+dac_override', '--ambient-caps=+dac_override'],
  ],
  uid: 65534,
}

/** The first way in which `program` runs and can write in `folder`. */
export async function findWay(program: string, folder: string, uid: number): Promise<Way> {
  if (uid !== 0) return { prefix: [], uid }
  for (const way of waysOfRoot) {
    const [command = '', ...options] = way.prefix
    const probe = [...options, 'sh', '-c', 'test -w "$1" && "$0" --version', program, folder]
    if (
      await run(command, probe).then(
        () => true,
        () => false,
      )
    )
      return way
  }
  throw new Error(
    'PostgreSQL does not run as root, and neither `unshare` nor `setpriv` can help here: start as an ordinary user, or set DATABASE_URL to a server of your own.',
  )
}

export const waysOfRoot: readonly Way[] = [namespace, nobody]
