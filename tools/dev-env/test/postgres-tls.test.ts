import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { asUnusable, connect } from '@lethe/db'
import { sql } from 'kysely'
import t from 'tap'
import { makeCertificates, withCertificates } from '../src/make-certificates.ts'
import { startPostgres } from '../src/postgres.ts'

const cli = path.join(import.meta.dirname, '../../../services/cli/src/main.ts')

t.test(
  'a database server with a certificate of a private authority',
  withCertificates,
  async (t) => {
    const { caFile, certFile, keyFile } = await makeCertificates(t)
    const dataDir = await mkdtemp(path.join(tmpdir(), 'lethe-tls-'))
    const postgres = await startPostgres({
      dataDir,
      settings: {
        fsync: 'off',
        ssl: 'on',
        ssl_cert_file: certFile,
        ssl_key_file: keyFile,
      },
    })
    t.teardown(async () => {
      await postgres.stop()
      await rm(dataDir, { recursive: true })
    })
    const required = `${postgres.url}?sslmode=require`

    await t.test('accepts it if the URL names the authority', async (t) => {
      const db = connect(`${required}&sslrootcert=${caFile}`, { max: 1 })
      t.teardown(() => db.destroy())
      const { rows } = await sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(
        db,
      )
      t.strictSame(rows, [{ ssl: true }])
    })

    await t.test('accepts it if NODE_EXTRA_CA_CERTS names it', async (t) => {
      const { code, output } = await migrate({
        DATABASE_URL: required,
        NODE_EXTRA_CA_CERTS: caFile,
      })
      t.equal(code, 0, output)
    })

    await t.test('rejects it otherwise, with one line that says what to do', async (t) => {
      const { code, output } = await migrate({ DATABASE_URL: required })
      t.equal(code, 1)
      t.match(
        output,
        /^The certificate of the database server .*: add sslrootcert=\S+ to DATABASE_URL, .*\n$/,
      )
    })

    await t.test('rejects a certificate for another name', async (t) => {
      const url = new URL(`${required}&sslrootcert=${caFile}`)
      url.hostname = 'localhost'
      const db = connect(url.href, { max: 1 })
      t.teardown(() => db.destroy())
      const error = await sql`select 1`.execute(db).then(
        () => undefined,
        (reason) => reason,
      )
      t.match(asUnusable(error)?.message, /another host name/)
    })
  },
)

t.test('rejects a server without TLS with one line if the URL requires it', async (t) => {
  const { code, output } = await migrate({
    DATABASE_URL: `${process.env.TEST_DATABASE_URL}?sslmode=require`,
  })
  t.equal(code, 1)
  t.match(output, /^DATABASE_URL asks for TLS, .*\n$/)
})

/** Runs `migrate` as an operator does; returns its exit code and both outputs. */
function migrate(env: Record<string, string>): Promise<{ code: number; output: string }> {
  const { PATH = '' } = process.env
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [cli, 'migrate'],
      { env: { PATH, ...env } },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    )
  })
}
