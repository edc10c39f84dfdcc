import type { FastifyInstance } from 'fastify'

/** Collects every registered route. The returned function lists the methods a URL accepts: none where no route matches. */
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

/** Handles paths such as `/users/:id/files/*`. Our routes use no parameters with a regular expression. */
function pathPattern(url: string): RegExp {
  const source = url
    .replaceAll(/[.()+?$|[\]{}^\\]/g, '\\$&')
    .replaceAll(/:\w+/g, '[^/]+')
    .replaceAll('*', '.*')
  return new RegExp(`^${source}$`)
}
