import type { FastifyInstance } from 'fastify'

/** Remembers every route, and tells which methods a URL takes: none where there is no route. */
export function allowedMethods(app: FastifyInstance): (url: string) => string[] {
  const routes: { path: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    if (url !== '*') routes.push({ path: pathPattern(url), methods: [method].flat() })
  })
  return (url) => {
    const path = url.split('?', 1)[0] ?? ''
    const methods = routes
      .filter((route) => route.path.test(path))
      .flatMap(({ methods }) => methods)
    return [...new Set(methods)]
  }
}

/** `/users/:id/files/*` and the like; parameters with expressions of their own are not used here. */
function pathPattern(url: string): RegExp {
  const source = url
    .replaceAll(/[.()+?$|[\]{}^\\]/g, '\\$&')
    .replaceAll(/:\w+/g, '[^/]+')
    .replaceAll('*', '.*')
  return new RegExp(`^${source}$`)
}
