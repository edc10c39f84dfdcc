import type { AccountErrorCode } from '@lethe/accounts'
import type { LifecycleErrorCode } from '@lethe/lifecycle'

export interface ProblemType {
  status: number
  title: string
  /** What the caller can do next; also shown on the page `/problems/<code>`. */
  help: string
  /** Headers of every answer with this problem. */
  headers?: Record<string, string>
}

const bearer = { 'www-authenticate': 'Bearer' }

/** Problems that any route can have. */
const generalProblems = {
  'bad-request': {
    status: 400,
    title: 'The request is not valid HTTP',
    help: 'Check the program that builds the request: the first line, a header or the length of the body is wrong.',
  },
  'invalid-request': {
    status: 400,
    title: 'The request is not valid',
    help: 'Correct the members that `errors` lists, and send the request again.',
  },
  'malformed-json': {
    status: 400,
    title: 'The body is not valid JSON',
    help: 'Send one JSON value, in UTF-8 and without a member called `__proto__`.',
  },
  'cross-site': {
    status: 403,
    title: 'The request comes from another site',
    help: 'Send it from a page of this service, or with an access token in the Authorization header.',
  },
  'not-found': {
    status: 404,
    title: 'There is nothing at this address',
    help: 'Check the address; /docs lists all that exist.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'This address does not support that method',
    help: 'Use one of the methods that the Allow header lists.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request took too long to arrive',
    help: 'Send it again, over a faster connection if you can.',
  },
  'payload-too-large': {
    status: 413,
    title: 'The body is too large',
    help: 'Send at most 64 KiB, or an image of at most 2 MiB where an image is asked for.',
  },
  'uri-too-long': {
    status: 414,
    title: 'The address is too long',
    help: 'Shorten the path of the request.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'We do not accept a body of this type',
    help: 'Set the Content-Type header to the type of the body: application/json on nearly all routes.',
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'The archive has no such part',
    help: 'Ask for bytes below the length in the Content-Range header.',
  },
  'expectation-failed': {
    status: 417,
    title: 'The expectation cannot be met',
    help: 'Remove the Expect header, or set it to 100-continue.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    help: 'Wait the number of seconds in the Retry-After header, then try again.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    help: 'Send less than 16 KiB of headers. Deleting the cookies of this site often helps.',
  },
  'export-damaged': {
    status: 500,
    title: 'The export is damaged',
    help: 'The stored file was changed after we made it, so we do not hand it out. Please contact the operator of this service.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong on our side',
    help: 'Try again later. If it happens again, send the operator of this service the X-Request-Id header of the answer.',
  },
  unavailable: {
    status: 503,
    title: 'The service is not available right now',
    help: 'Nothing was changed. Try again after the number of seconds in the Retry-After header.',
    headers: { 'retry-after': '5' },
  },
} satisfies Record<string, ProblemType>

/** Problems of accounts and deletions. The type requires one for each error code. */
const accountProblems = {
  unauthenticated: {
    status: 401,
    title: 'You are not logged in',
    help: 'Log in, or send an access token that is still valid.',
    headers: bearer,
  },
  'wrong-credentials': {
    status: 401,
    title: 'The email address or the password is wrong',
    help: 'Check both and try again.',
    headers: bearer,
  },
  'account-pending-deletion': {
    status: 403,
    title: 'This account is waiting to be erased',
    help: 'To keep it, cancel the deletion before `eraseAfter` with the link in our mail.',
  },
  'not-authorized': {
    status: 403,
    title: 'You are not allowed to do this',
    help: 'Only the owner of the account or an administrator can do it.',
  },
  'reauthentication-required': {
    status: 403,
    title: 'We need your password for this',
    help: 'Send the password with the request. Without `eraseNow`, a log-in within the last minutes is enough.',
  },
  'wrong-password': {
    status: 403,
    title: 'The password is wrong',
    help: 'Check the password and try again.',
  },
  'user-not-found': {
    status: 404,
    title: 'We cannot find this user',
    help: 'Check the id. You can see only your own account, so every other id is answered this way.',
  },
  'session-not-found': {
    status: 404,
    title: 'We cannot find this session',
    help: 'It may have ended. List your sessions to see those that are open.',
  },
  'saved-password-not-found': {
    status: 404,
    title: 'We cannot find this saved password',
    help: 'It may have been removed. List your saved passwords to see those that exist.',
  },
  'avatar-not-found': {
    status: 404,
    title: 'This account has no avatar',
    help: 'Upload one first.',
  },
  'deletion-not-found': {
    status: 404,
    title: "We don't recognize this link",
    help: 'It belongs to no deletion. Copy the whole link from the newest mail and try again.',
  },
  'export-not-found': {
    status: 404,
    title: "We don't recognize this export link",
    help: 'It belongs to no export. Copy the whole link from the mail and try again.',
  },
  'address-taken': {
    status: 409,
    title: 'This address cannot be used',
    help: 'Log in if the account is yours, or sign up with another address.',
  },
  'deletion-not-pending': {
    status: 409,
    title: 'This deletion can no longer be cancelled',
    help: 'The member `deletionStatus` says where it stands now.',
  },
  'too-many-saved-passwords': {
    status: 409,
    title: 'No more passwords can be saved',
    help: 'An account can hold 2,000 saved passwords. Remove one that you no longer need, then try again.',
  },
  'export-not-ready': {
    status: 409,
    title: 'The export is not ready yet',
    help: 'We send you a mail when it is ready. Open the link again then.',
  },
  'too-many-exports': {
    status: 429,
    title: 'You have asked for too many archives today',
    help: 'Download one that is ready, or ask again after the number of seconds in the Retry-After header.',
  },
  'export-gone': {
    status: 410,
    title: 'The export is gone',
    help: 'It expired, was destroyed, or was withdrawn because the deletion was cancelled. There is nothing left to download.',
  },
  busy: {
    status: 503,
    title: 'Too many people are logging in at the moment',
    help: 'Try again in a second.',
    headers: { 'retry-after': '1' },
  },
} satisfies Record<AccountErrorCode | LifecycleErrorCode, ProblemType>

export type ProblemCode = keyof typeof generalProblems | AccountErrorCode | LifecycleErrorCode

/** Every problem that this service answers with. */
export const problemTypes: Record<ProblemCode, ProblemType> = {
  ...generalProblems,
  ...accountProblems,
}
