import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Db } from '@lethe/db'
import { asSuperuser, testDb } from '@lethe/db/testing'
import { adoptSecretKey, deriveKeys } from '@lethe/lifecycle'
import { sql } from 'kysely'
import type { Test } from 'tap'
import { run } from '../src/run.ts'
import { type SmtpServer, smtpServer } from './smtp-server.ts'

export interface DoctorResult {
  code: number
  text: string
  /** Findings that are not ok, such as `wrong SMTP`; each has a remedy below it. */
  faults: string[]
}

type Setting =
  | 'DATABASE_URL'
  | 'SMTP_URL'
  | 'MAIL_FROM'
  | 'SECRET_KEY'
  | 'EXPORT_DIR'
  | 'UPLOAD_DIR'
  | 'PUBLIC_URL'
  | 'TRUST_PROXY'

interface Healthy {
  db: Db
  smtp: SmtpServer
  /** A folder of the test that only its owner can open. */
  folder: string
  env: Record<Setting, string>
  /** Runs the doctor with these settings changed. */
  doctor(changes?: Record<string, string>): Promise<DoctorResult>
}

/** An environment in which every check is ok. */
export async function healthy(t: Test): Promise<Healthy> {
  const { db, url: ownerUrl } = await testDb(t)
  const url = await ordinaryRole(t, ownerUrl)
  const smtp = await smtpServer(t)
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-doctor-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [exportDir, uploadDir] = [path.join(folder, 'exports'), path.join(folder, 'uploads')]
  for (const made of [exportDir, uploadDir]) await mkdir(made, { mode: 0o700 })
  const secretKey = randomBytes(32)
  await adoptSecretKey(db, deriveKeys(secretKey))
  const env = {
    ...{ DATABASE_URL: url, SMTP_URL: smtp.url, MAIL_FROM: 'Lethe <no-reply@lethe.test>' },
    ...{ SECRET_KEY: secretKey.toString('base64url') },
    ...{ EXPORT_DIR: exportDir, UPLOAD_DIR: uploadDir, PUBLIC_URL: 'https://lethe.test' },
    TRUST_PROXY: '10.0.0.1',
  }
  return { db, smtp, folder, env, doctor: (changes = {}) => doctor({ ...env, ...changes }) }
}

/** The database URL for a role that may only read and write Lethe's tables. */
async function ordinaryRole(t: Test, url: string): Promise<string> {
  const operator = asSuperuser(t, { url })
  const username = `doctor_${new URL(url).pathname.slice(1)}`
  const role = sql.id(username)
  await sql`create role ${role} login password 'x'`.execute(operator)
  // The test server does without.
  await sql`alter role ${role} set synchronous_commit = on`.execute(operator)
  await sql`grant usage on schema public, vault, lethe to ${role}`.execute(operator)
  await sql`grant select, insert, update, delete on all tables in schema public, vault, lethe to ${role}`.execute(
    operator,
  )
  t.teardown(async () => {
    await sql`drop owned by ${role} cascade`.execute(operator)
    await sql`drop role ${role}`.execute(operator)
  })
  return Object.assign(new URL(url), { username, password: 'x' }).href
}

async function doctor(env: Record<string, string>): Promise<DoctorResult> {
  const lines: string[] = []
  const code = await run(['doctor'], {
    get db(): Db {
      throw new Error('the doctor opens its own')
    },
    env,
    print: (line) => lines.push(line),
  })
  return { code, text: lines.join('\n'), faults: faultsIn(lines) }
}

export function faultsIn(lines: string[]): string[] {
  return lines.flatMap((line, at) => {
    const [, grade, about] = /^(wrong|warning) +(.+?) {2}/.exec(line) ?? []
    if (grade === undefined) return []
    return `${grade} ${about}${/^ +→ \S/.test(lines[at + 1] ?? '') ? '' : ' without a remedy'}`
  })
}
