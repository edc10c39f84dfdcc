import { access, constants } from 'node:fs/promises'
import path from 'node:path'

/** Returns the full path of the first of these programs in `searchPath`, which has the format of `PATH`. */
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
