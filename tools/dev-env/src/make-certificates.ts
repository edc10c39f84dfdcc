import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'

/** The openssl that `pnpm test` found. */
const program = process.env.OPENSSL_PATH

/** Options for tests that need certificates. */
export const withCertificates = program ? {} : { skip: 'no openssl on this machine' }

export interface Certificates {
  caFile: string
  /** The content of `caFile`. */
  ca: string
  certFile: string
  keyFile: string
}

/** A private certificate authority, and a certificate that it signed for servers on 127.0.0.1. */
export async function makeCertificates(t: Pick<Test, 'teardown'>): Promise<Certificates> {
  if (!program) throw new Error('OPENSSL_PATH is not set: run the tests with `pnpm test`')
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-certificates-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const at = (name: string) => path.join(folder, name)
  const openssl = (command: string) =>
    promisify(execFile)(program, command.split(' '), { cwd: folder })
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  await openssl(`req -x509 ${key} -keyout ca.key -out ca.pem -subj /CN=authority -days 1`)
  await openssl(`req ${key} -keyout server.key -out server.csr -subj /CN=server`)
  await writeFile(at('names'), 'subjectAltName=IP:127.0.0.1')
  const signed = '-CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -days 1'
  await openssl(`x509 -req -in server.csr ${signed} -out server.pem`)
  return {
    caFile: at('ca.pem'),
    ca: await readFile(at('ca.pem'), 'utf8'),
    certFile: at('server.pem'),
    keyFile: at('server.key'),
  }
}
