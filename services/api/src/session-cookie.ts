import type { FastifyReply } from 'fastify'
import type { ApiConfig } from './config.ts'

export function setSessionCookie(reply: FastifyReply, config: ApiConfig, token: string): void {
  // Max-Age, not Expires: the clocks of browser, API and database may differ.
  const maxAge = config.sessionTtl.seconds
  reply.setCookie(config.sessionCookieName, token, { ...cookieAttributes(config), maxAge })
}

export function clearSessionCookie(reply: FastifyReply, config: ApiConfig): void {
  reply.clearCookie(config.sessionCookieName, cookieAttributes(config))
}

function cookieAttributes({ secure }: ApiConfig) {
  return { httpOnly: true, sameSite: 'lax', path: '/', secure } as const
}
