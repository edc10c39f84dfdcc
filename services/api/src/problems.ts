import { AccountError } from '@lethe/accounts'
import { exceedsLimit, isUnavailable } from '@lethe/db'
import { IncompleteDataMapError } from '@lethe/erasure'
import { LifecycleError } from '@lethe/lifecycle'
import { findUnstorableText } from './find-unstorable-text.ts'
import { type ProblemCode, problemTypes } from './problem-types.ts'
import { violationMembers, violations } from './violations.ts'

export const MEDIA_TYPE = 'application/problem+json'

/** A problem document (RFC 9457) with the additional members of its type. */
export interface ProblemBody {
  type: string
  title: string
  status: number
  /** What the caller can do about it. */
  detail: string
  [member: string]: unknown
}

export interface Problem {
  code: ProblemCode
  headers: Record<string, string>
  body: ProblemBody
}

interface ProblemOptions {
  /** What went wrong in this request. Must not quote what the caller sent. */
  detail?: string
  members?: Record<string, unknown>
  headers?: Record<string, string>
}

/** Can be thrown anywhere in a request; its problem becomes the answer. */
export class ProblemError extends Error {
  override name = 'ProblemError'
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.code)
    this.problem = problem
  }
}

/** `throw problem('not-found')`. */
export function problem(code: ProblemCode, options: ProblemOptions = {}): ProblemError {
  return new ProblemError(describe(code, options))
}

/** The answer to any error; an unexpected error is an opaque 500. `body` is the request's body, if it was read. */
export function toProblem(error: unknown, body?: unknown): Problem {
  if (error instanceof ProblemError) return error.problem
  if (error instanceof AccountError || error instanceof LifecycleError) {
    const { retryAfter, ...members } = error.members
    const headers = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
    return describe(error.code, { members, headers })
  }
  if (error instanceof IncompleteDataMapError)
    return describe('unavailable', {
      detail:
        'We cannot say what an erasure would remove until an operator has corrected the data map.',
    })
  const { code, statusCode, validation, validationContext } = frameworkErrorOf(error)
  if (validation)
    return describe('invalid-request', {
      members: violationMembers([
        ...violations(validation, validationContext),
        ...(validationContext === 'body' ? findUnstorableText(body) : []),
      ]),
    })
  const knownCode = byFastifyCode[code ?? ''] ?? byStatus[statusCode ?? 0]
  if (knownCode) return describe(knownCode)
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return describe('bad-request')
  return describe(isUnavailable(error) || exceedsLimit(error) ? 'unavailable' : 'internal')
}

function describe(code: ProblemCode, options: ProblemOptions = {}): Problem {
  const { status, title, help, headers } = problemTypes[code]
  return {
    code,
    headers: { ...headers, ...options.headers },
    body: {
      type: `/problems/${code}`,
      title,
      status,
      detail: options.detail ?? help,
      ...options.members,
    },
  }
}

const byFastifyCode: Record<string, ProblemCode> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed-json',
  FST_ERR_MAX_PARAM_LENGTH: 'uri-too-long',
}

const byStatus: Record<number, ProblemCode> = {
  401: 'unauthenticated',
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'request-timeout',
  413: 'payload-too-large',
  415: 'unsupported-media-type',
  429: 'too-many-requests',
  431: 'headers-too-large',
}

interface FrameworkError {
  code?: string
  statusCode?: number
  validation?: Parameters<typeof violations>[0]
  validationContext?: string
}

function frameworkErrorOf(error: unknown): FrameworkError {
  return error instanceof Error ? (error as Error & FrameworkError) : {}
}
