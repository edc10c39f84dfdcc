import { randomUUID } from 'node:crypto'
import cookie from '@fastify/cookie'
import { createReadinessCheck } from '@lethe/lifecycle'
import Fastify, { type FastifyInstance } from 'fastify'
import { authentication } from './auth.ts'
import { answerBadHttp, watchRequests } from './bad-http.ts'
import { readBodies } from './bodies.ts'
import { proxyTrust } from './callers.ts'
import { rejectCrossSite } from './cross-site.ts'
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
  /** Receives the log lines; standard output by default. */
  log?: { write(line: string): void }
  /** After `close()` the API listens this many milliseconds more, then serves open connections up to twice as long. Default 0. */
  lingerMs?: number
}

/**
 * Builds the API without listening. A request passes these steps in order: `onRequest` (headers, then the route's
 * authentication), `preParsing` (cross-site check), body, schema, `preHandler` (unstorable text, then the route's), handler.
 */
export function buildApp(deps: Deps, { log, lingerMs = 0 }: AppOptions = {}): FastifyInstance {
  const { config, db, keys } = deps
  const app: FastifyInstance = Fastify({
    ...logging(config.logLevel, log),
    genReqId: () => randomUUID(),
    trustProxy: proxyTrust(config.trustProxy),
    bodyLimit: 64 * 1024,
    requestTimeout: 60_000,
    // This timeout would also abort the drain in `preClose`. No plugin waits for anything outside the process.
    pluginTimeout: 0,
    // During shutdown the API still serves requests that arrive on open connections.
    return503OnClosing: false,
    // Node answers a missing Host without a problem document; bad-http.ts answers instead.
    http: { requireHostHeader: false },
    ajv: {
      customOptions: { removeAdditional: false, coerceTypes: false, allErrors: true, formats },
    },
    rewriteUrl: ({ url = '/' }) => escapeUndecodable(url),
    // Longer than any URL that fits into the headers, so that the schema rejects a long id.
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
  const whyNotDatabaseReady = createReadinessCheck(deps)
  const whyNotReady = async () =>
    (await whyNotDatabaseReady()) ?? (await deps.folders.findProblem())
  rejectUntilReady(app, whyNotReady, deps)
  rejectCrossSite(app, config.publicUrl)
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
 * Escapes each `%` of a path that cannot be decoded. The path then reaches its route like any other malformed id, and a
 * caller who is not logged in gets 401 first.
 */
function escapeUndecodable(url: string): string {
  const [path = '', ...query] = url.split('?')
  try {
    decodeURIComponent(path)
    return url
  } catch {
    return [path.replaceAll('%', '%25'), ...query].join('?')
  }
}
