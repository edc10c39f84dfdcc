import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

export interface Asset {
  type: string
  body: Buffer
}

export interface Assets {
  /** `/assets/<hash of all files>`. The path changes with the content, so browsers may cache it forever. */
  folder: string
  files: Map<string, Asset>
}

const source = path.join(import.meta.dirname, 'assets')

const types: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/**
 * Reads the scripts and styles of the pages once. The hash is in the path and not in the file names, so that a script
 * imports another by its plain name.
 */
export async function loadAssets(): Promise<Assets> {
  const hash = createHash('sha256')
  const files = new Map<string, Asset>()
  for (const name of (await readdir(source)).sort()) {
    const type = types[path.extname(name)]
    if (!type) continue
    const body = await readFile(path.join(source, name))
    files.set(name, { type, body })
    hash.update(`${name}\0${body.length}\0`).update(body)
  }
  return { folder: `/assets/${hash.digest('base64url').slice(0, 16)}`, files }
}
