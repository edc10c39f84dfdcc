import type { FastifyReply } from 'fastify'
import type { ApiConfig } from './config.ts'

export function setSessionCookie(
  reply: FastifyReply,
  config: ApiConfig,
  token: string,
  expires: Date,
): void {
  reply.setCookie(config.sessionCookieName, token, { ...attributes(config), expires })
}

export function clearSessionCookie(reply: FastifyReply, config: ApiConfig): void {
  reply.clearCookie(config.sessionCookieName, attributes(config))
}

function attributes({ secure }: ApiConfig) {
  return { httpOnly: true, sameSite: 'lax', path: '/', secure } as const
}
