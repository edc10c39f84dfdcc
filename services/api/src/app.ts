import { randomUUID } from 'node:crypto'
import cookie from '@fastify/cookie'
import { createReadinessCheck } from '@lethe/lifecycle'
import Fastify, { type FastifyInstance } from 'fastify'
import { authentication } from './auth.ts'
import { answerBadHttp, watchRequests } from './bad-http.ts'
import { readBodies } from './bodies.ts'
import { proxyTrust } from './callers.ts'
import { refuseCrossSite } from './cross-site.ts'
import type { Deps, RouteDeps } from './deps.ts'
import { serveDocs } from './docs.ts'
import { drainBeforeClosing } from './drain.ts'
import { replyToErrors, replyWithProblem } from './error-replies.ts'
import { formats } from './formats.ts'
import { setHeaders } from './headers.ts'
import { logging } from './logging.ts'
import { cancelRoute } from './pages/cancel-route.ts'
import { pages } from './pages/index.ts'
import { restoreLinks } from './pages/restore-links.ts'
import { passwordLimits, rateLimits } from './rate-limits.ts'
import { rejectUntilReady } from './readiness-guard.ts'
import { retrySerializationFailures } from './retry.ts'
import { avatarRoutes } from './routes/avatars.ts'
import { compatProfileRoutes } from './routes/compat-profiles.ts'
import { compatUserRoutes } from './routes/compat-users.ts'
import { deletionRoutes } from './routes/deletions.ts'
import { exportRoutes } from './routes/exports.ts'
import { healthRoutes } from './routes/health.ts'
import { ownExportRoutes } from './routes/own-exports.ts'
import { savedPasswordRoutes } from './routes/saved-passwords.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { userRoutes } from './routes/users.ts'

export interface AppOptions {
  /** Where log lines go; standard output by default. */
  log?: { write(line: string): void }
  /** Milliseconds for which it still listens when it is closed, and up to twice as long serves who is connected; none by default. */
  lingerMs?: number
}

/**
 * The API, apart from listening. A request passes: `onRequest` (headers, then the route's own: who is asking),
 * `preParsing` (cross-site), the body, the schema, `preHandler` (unstorable text, then the route's own), the handler.
 */
export function buildApp(deps: Deps, { log, lingerMs = 0 }: AppOptions = {}): FastifyInstance {
  const { config, db, keys } = deps
  const app: FastifyInstance = Fastify({
    ...logging(config.logLevel, log),
    genReqId: () => randomUUID(),
    trustProxy: proxyTrust(config.trustProxy),
    bodyLimit: 64 * 1024,
    requestTimeout: 60_000,
    // It would also cut off the drain at the end. No plugin waits for anything outside of the process.
    pluginTimeout: 0,
    // Requests that come on open connections while we shut down are still served.
    return503OnClosing: false,
    // Node's own answer to a missing Host is no problem document; see bad-http.ts.
    http: { requireHostHeader: false },
    ajv: {
      customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true, formats },
    },
    rewriteUrl: ({ url = '/' }) => decodable(url),
    // Longer than any URL that fits into the headers: a long id is the schema's to refuse.
    routerOptions: { maxParamLength: 16 * 1024 },
    frameworkErrors: replyWithProblem,
    clientErrorHandler: answerBadHttp,
  })
  replyToErrors(app)
  readBodies(app)
  retrySerializationFailures(app)
  setHeaders(app, config)
  watchRequests(app)
  const isStopping = drainBeforeClosing(app, lingerMs)
  const whyNotDatabase = createReadinessCheck(deps)
  const whyNotReady = async () => (await whyNotDatabase()) ?? (await deps.folders.whyNot())
  rejectUntilReady(app, whyNotReady, deps)
  refuseCrossSite(app, config.publicUrl)
  restoreLinks(app)
  app.register(cookie)
  serveDocs(app, config.sessionCookieName)

  const consumeLimit = rateLimits(app, { db, keys, on: config.rateLimits })
  const routeDeps: RouteDeps = {
    ...deps,
    isStopping,
    whyNotReady,
    auth: authentication(app, deps),
    consumeLimit,
    consumePasswordLimit: passwordLimits(consumeLimit),
  }
  for (const routes of [
    healthRoutes,
    userRoutes,
    sessionRoutes,
    tokenRoutes,
    savedPasswordRoutes,
    avatarRoutes,
    deletionRoutes,
    exportRoutes,
    ownExportRoutes,
    compatUserRoutes,
    compatProfileRoutes,
    cancelRoute,
  ])
    app.register(routes, routeDeps)
  app.register(pages)
  return app
}

/**
 * A path with a `%` that begins no character is read as it is written, so that it reaches its route like any other
 * wrong id, and whoever is not logged in learns that first.
 */
function decodable(url: string): string {
  const [path = '', ...query] = url.split('?')
  try {
    decodeURIComponent(path)
    return url
  } catch {
    return [path.replaceAll('%', '%25'), ...query].join('?')
  }
}
