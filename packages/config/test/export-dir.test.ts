import path from 'node:path'
import t from 'tap'
import { exportDir } from '../src/index.ts'

const read = (EXPORT_DIR: string) => exportDir({ EXPORT_DIR })

t.test('returns a folder as an absolute path', (t) => {
  t.equal(read('/srv/exports'), '/srv/exports')
  t.equal(read('exports'), path.resolve('exports'))
  t.equal(read('c:exports'), path.resolve('c:exports'))
  t.equal(read(''), path.resolve('.data/exports'))
  t.equal(exportDir({}, '/elsewhere'), '/elsewhere')
  t.end()
})

t.test('returns a bucket as it was written', (t) => {
  for (const url of [
    's3://exports',
    's3://exports/',
    's3://exports.example/lethe',
    's3://exports/lethe/archives_2/',
    's3://exports?region=eu-central-1',
    's3://exports/lethe?endpoint=https://s3.example&region=auto',
    's3://exports?endpoint=http://127.0.0.1:9000',
    's3://exports?endpoint=http%3A%2F%2F%5B%3A%3A1%5D%3A9000',
  ])
    t.equal(read(url), url)
  t.end()
})

t.test('rejects any other value in one line that does not show it', (t) => {
  for (const [url, fault] of [
    ['s3:exports', 'is neither a folder nor the URL of a bucket'],
    ['S3://exports', 'is neither'],
    ['https://exports.s3.example', 'is neither'],
    ['gs://exports', 'is neither'],
    ['s3://', 'names no bucket'],
    ['s3:///lethe', 'names no bucket'],
    ['s3://ex', 'names no bucket'],
    ['s3://Exports', 'names no bucket'],
    ['s3://exports_of_ours', 'names no bucket'],
    ['s3://exports:9000/lethe', 'names no bucket'],
    ['s3://AKIA:hunter2@exports', 'has a user or a password'],
    ['s3://exports//lethe', 'has a prefix of more'],
    ['s3://exports/a b', 'has a prefix of more'],
    ['s3://exports/.lethe', 'has a prefix of more'],
    ['s3://exports/%2e%2e/lethe', 'has a prefix of more'],
    ['s3://exports/a/../lethe', 'has a prefix of more'],
    ['s3://exports?endpoint=s3.example', 'has no endpoint'],
    ['s3://exports?endpoint=ftp://s3.example', 'has no endpoint'],
    ['s3://exports?endpoint=https://AKIA:hunter2@s3.example', 'has no endpoint'],
    ['s3://exports?endpoint=', 'has no endpoint'],
    ['s3://exports?region=', 'has no region'],
    ['s3://exports?region=eu central', 'has no region'],
    ['s3://exports?regoin=eu-central-1', 'asks for something else'],
    ['s3://exports?region=a&region=b', 'asks for something else'],
    ['s3://exports#lethe', 'asks for something else'],
  ] as const) {
    const message = messageOf(() => read(url))
    t.match(
      message,
      new RegExp(`^ConfigError: EXPORT_DIR ${fault}.*; it takes a folder, or s3://`),
      url,
    )
    t.notMatch(message, /hunter2|\n/)
  }
  t.end()
})

function messageOf(read: () => unknown): string {
  try {
    return `no error: ${read()}`
  } catch (error) {
    return String(error)
  }
}
