import { readFile } from 'node:fs/promises'
import { createRequire, isBuiltin } from 'node:module'
import path from 'node:path'
import t from 'tap'
import { readCompose, readImage, root } from './shape/compose.ts'

const secrets = { SECRET_KEY: 'x', POSTGRES_PASSWORD: 'x' }

t.test('the image contains all imports of its programs', async (t) => {
  const { text, command } = await readImage()
  const services = [...(await readCompose(secrets)).values()]
  const ours = services.filter(({ environment }) => environment.SECRET_KEY)
  const programs = new Set(ours.map((service) => (service.command ?? command)[1] ?? ''))
  t.strictSame(
    [...programs],
    ['api', 'worker', 'cli'].map((name) => `services/${name}/src/main.ts`),
  )
  const installed = new Set<string>()
  for (const [, name = ''] of text.matchAll(/--filter (@lethe\/\S+)\.\.\./g))
    for (const one of await withDependencies(name)) installed.add(one)
  for (const program of programs)
    t.strictSame(await missingImports(path.join(root, program), installed), [], program)
})

t.test('the image user owns the folder of the volume with exports and uploads', async (t) => {
  const { text, env } = await readImage()
  const services = await readCompose(secrets)
  const [, user = '', folder = ''] = /chown (\w+):\w+ (\/\w+)/.exec(text) ?? []
  t.match(text, new RegExp(`^USER ${user}$`, 'm'))
  for (const name of ['api', 'worker']) {
    const { environment = {}, volumes } = services.get(name) ?? {}
    t.strictSame(volumes, [`data:${folder}`])
    for (const variable of ['EXPORT_DIR', 'UPLOAD_DIR'])
      for (const place of [env[variable], environment[variable]])
        t.ok(place?.startsWith(`${folder}/`), `${name} ${variable}`)
  }
})

t.test('the image contains no secret, no local data and no test code', async (t) => {
  const ignored = (await readFile(path.join(root, '.dockerignore'), 'utf8')).split('\n')
  const left = ['.env', '.data', '.git', '**/node_modules', '**/test', '**/testing', 'tools']
  for (const name of left) t.ok(ignored.includes(name), name)
})

interface Manifest {
  name: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

const folders = { api: 'services', worker: 'services', cli: 'services' } as Record<string, string>

function folderOf(name: string): string {
  const short = name.replace('@lethe/', '')
  return path.join(root, folders[short] ?? 'packages', short)
}

async function manifestOf(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Manifest
}

/** Returns the workspace packages that `pnpm install --prod --filter NAME...` installs. */
async function withDependencies(name: string): Promise<string[]> {
  const { dependencies = {} } = await manifestOf(folderOf(name))
  const ours = Object.keys(dependencies).filter((one) => one.startsWith('@lethe/'))
  return [name, ...(await Promise.all(ours.map(withDependencies))).flat()]
}

const imports =
  /(?:^|\n)\s*(?:import|export)\s+(?!type\b)(?:[\w*{][^'"]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/g

/** Returns what `--prod` leaves out of all imports of this file and of the files that it imports. */
async function missingImports(main: string, installed: Set<string>): Promise<string[]> {
  const files = new Set([main])
  const missing: string[] = []
  for (const file of files) {
    const { name: owner, dependencies, optionalDependencies } = await manifestOf(packageOf(file))
    if (!installed.has(owner)) missing.push(`the dependencies of ${owner}`)
    const declared = { ...dependencies, ...optionalDependencies }
    for (const [, from, lazily] of (await readFile(file, 'utf8')).matchAll(imports)) {
      const specifier = from ?? lazily ?? ''
      if (isBuiltin(specifier)) continue
      const isFile = specifier.startsWith('.')
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
      const isOurs = name.startsWith('@lethe/')
      if (isFile || isOurs) files.add(createRequire(file).resolve(specifier))
      if (!isFile && (!declared[name] || (isOurs && !installed.has(name))))
        missing.push(`${specifier} in ${path.relative(root, file)}`)
    }
  }
  return missing
}

function packageOf(file: string): string {
  return path.join(root, ...path.relative(root, file).split(path.sep).slice(0, 2))
}
