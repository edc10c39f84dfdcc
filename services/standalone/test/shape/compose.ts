import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'yaml'

export const root = path.join(import.meta.dirname, '../../../..')

type Values = Record<string, string>

export interface ComposeService {
  name: string
  command: string[] | undefined
  environment: Values
  healthcheck: string[]
  volumes: string[]
}

interface ComposeFile {
  services: Record<
    string,
    Partial<Omit<ComposeService, 'healthcheck'>> & { healthcheck?: { test: string[] } }
  >
}

/** Reads the services of `docker-compose.yml` as Docker Compose does with a `.env` that contains `values`. */
export async function readCompose(values: Values): Promise<Map<string, ComposeService>> {
  const text = await readFile(path.join(root, 'docker-compose.yml'), 'utf8')
  const { services } = parse(interpolate(text, values), { merge: true }) as ComposeFile
  return new Map(
    Object.entries(services).map(([name, { command, environment, healthcheck, volumes }]) => [
      name,
      {
        ...{ name, command, environment: environment ?? {}, volumes: volumes ?? [] },
        healthcheck: healthcheck?.test ?? [],
      },
    ]),
  )
}

/** Substitutes `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. */
function interpolate(text: string, values: Values): string {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'))
  return lines
    .join('\n')
    .replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, kind?: string, word = '') => {
      const value = values[name]
      if (value) return value
      if (kind === '-') return word
      throw new Error(`${name}: ${word}`)
    })
}

/** Returns the variables of `.env.example` with its lines uncommented; the first line of each variable counts. */
export async function readExample(): Promise<Values & { DATABASE_URL: string }> {
  const text = await readFile(path.join(root, '.env.example'), 'utf8')
  const lines = text.matchAll(/^#([A-Z][A-Z_]+)=(.*)$/gm)
  const values = { DATABASE_URL: '' } as Values & { DATABASE_URL: string }
  for (const [, name = '', value = ''] of lines) values[name] ||= value
  return values
}

export interface Image {
  /** The variables that `ENV` sets. */
  env: Values
  command: string[]
  text: string
}

export async function readImage(): Promise<Image> {
  const text = await readFile(path.join(root, 'Dockerfile'), 'utf8')
  const [, settings = ''] = /^ENV (.*)$/m.exec(text) ?? []
  const [, command = '[]'] = /^CMD (.*)$/m.exec(text) ?? []
  return {
    env: Object.fromEntries(settings.split(' ').map((one) => one.split('=') as [string, string])),
    command: JSON.parse(command) as string[],
    text,
  }
}
