import { access, constants } from 'node:fs/promises'
import path from 'node:path'

/** The full path of the first of these programs that `searchPath` (in the manner of `PATH`) holds. */
export async function findExecutable(
  names: string[],
  searchPath = '',
): Promise<string | undefined> {
  for (const name of names) {
    for (const folder of searchPath.split(path.delimiter)) {
      const file = path.join(folder, name)
      if (await isExecutable(file)) return file
    }
  }
  return undefined
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  )
}
