import { serializeError } from '@lethe/db'
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { LogController } from 'fastify'

/**
 * JSON lines that never identify a person: no URL, header, address or body.
 * The `redact` paths are a second safeguard, for fields that a log call adds by mistake.
 */
export function logging(level: string, stream?: { write(line: string): void }) {
  return {
    logger: {
      level,
      ...(stream && { stream }),
      serializers: { req, res, err: serializeError },
      redact: { paths: personalFields.flatMap((name) => [name, `*.${name}`]), remove: true },
    },
    logController: new OneLinePerRequest(),
  } satisfies FastifyServerOptions
}

const personalFields = [
  'email',
  'address',
  'displayName',
  'password',
  'currentPassword',
  'newPassword',
  'username',
  'site',
  'token',
  'accessToken',
  'refreshToken',
  'cookie',
  'authorization',
  'headers',
  'body',
]

function req(request: FastifyRequest) {
  return { method: request.method, route: request.routeOptions.url }
}

function res(reply: Pick<FastifyReply, 'statusCode'>) {
  return { statusCode: reply.statusCode }
}

class OneLinePerRequest extends LogController {
  override incomingRequest(): void {}

  override requestCompleted(error: Error | null, request: FastifyRequest, reply: FastifyReply) {
    const line = { req: request, res: reply, milliseconds: Math.round(reply.elapsedTime) }
    if (error) reply.log.warn({ ...line, err: error }, 'request.broken-off')
    else if (isPoll(request) && reply.statusCode < 400) reply.log.debug(line, 'request.completed')
    else reply.log.info(line, 'request.completed')
  }
}

/** Load balancers and monitors request these every few seconds. */
function isPoll({ routeOptions: { url } }: FastifyRequest): boolean {
  return url === '/healthz' || url === '/readyz'
}
