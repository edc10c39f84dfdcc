import { escapeHtml } from './escape-html.ts'

interface CancelForm {
  /** Prefix for the ids of its fields: a page may contain two of these forms. */
  id: string
  /** The address that the person sent before, for them to correct. */
  email?: string
  /** Why the last attempt failed. Screen readers read it with the focused field. */
  notice?: string
}

/** A form for address and password, for a person without a working link. It works without JavaScript. */
export function cancelForm({ id, email = '', notice }: CancelForm): string {
  const described = notice === undefined ? '' : ` aria-describedby="${id}-notice"`
  const emailFocus = notice !== undefined && email === '' ? ' autofocus' : ''
  const passwordFocus = notice !== undefined && email !== '' ? ' autofocus' : ''
  const why =
    notice === undefined
      ? ''
      : `<p class="notice warn" id="${id}-notice" role="alert">${escapeHtml(notice)}</p>\n`
  return `${why}<form method="post" action="/deletion/cancel">
<label for="${id}-email">Email address of your account</label>
<input id="${id}-email" name="email" type="email" value="${escapeHtml(email)}" autocomplete="username" maxlength="254" required${described}${emailFocus}>
<label for="${id}-password">Password</label>
<input id="${id}-password" name="password" type="password" autocomplete="current-password" required${described}${passwordFocus}>
<button type="submit" class="key">Keep my account</button>
</form>`
}
