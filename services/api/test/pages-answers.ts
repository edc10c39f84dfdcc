/** The API's answers to the pages, in the shapes of its routes. */
export interface Answer {
  status?: number
  body?: object | string
  headers?: Record<string, string>
}

export const routes = {
  status: '/v1/deletions/status',
  cancel: '/v1/deletions/cancel',
  open: '/v1/exports/open',
  archive: '/v1/exports/archive',
  passwords: '/v1/exports/passwords',
  destroy: '/v1/exports/destroy',
}

export const token = 'Zm9yZ2V0LW1lLW5vdC1mb3JnZXQtbWUtbm90LWZvcmdldA'

const day = 86_400_000
export const requestedAt = new Date(Date.now() - 0.5 * day).toISOString()
export const eraseAfter = new Date(Date.now() + 26.5 * day).toISOString()

export function deletion(status: string, members: object = {}): Answer {
  return { body: { deletion: { id: '1', status, requestedAt, eraseAfter, ...members } } }
}

export const cancelled: Answer = { body: { deletion: { id: '1', status: 'cancelled' } } }

export const openedExport: Answer = openedExportWith({})

export function openedExportWith(members: object): Answer {
  return {
    body: {
      export: {
        bytes: 3_440_000,
        createdAt: '2026-12-01T08:00:00.000Z',
        expiresAt: '2027-01-04T23:30:00.000Z',
        sha256: 'a'.repeat(64),
        downloads: 0,
        opensVault: true,
        ...members,
      },
    },
  }
}

export const zip = {
  body: 'the bytes of an archive',
  headers: {
    'content-type': 'application/zip',
    'content-disposition': 'attachment; filename="lethe-export.zip"',
  },
}

export const csv = {
  body: 'name,url,username,password,note\r\nexample.org,https://example.org,ada,"a,b",\r\n',
  headers: { 'content-type': 'text/csv; charset=utf-8' },
}

export function problem(status: number, code: string, members: object = {}): Answer {
  return { status, body: { type: `/problems/${code}`, title: 'A title', status, ...members } }
}

export const limited: Answer = {
  ...problem(429, 'too-many-requests'),
  headers: { 'retry-after': '42' },
}
