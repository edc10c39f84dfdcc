import { cancelForm } from './cancel-form.ts'
import { failed, type LinkPage, loadingSection } from './layout.ts'

/** What has come of a deletion, as the page of a link and the answer to the form say it alike. */
export const outcomes = {
  cancelled: `<h1 tabindex="-1">Good to have you back</h1>
<p>The deletion is cancelled, and your account is active again, just as you left it.</p>
<p><strong>Log in with your password:</strong> every session from before stays ended, on every device.</p>
<p class="quiet">An archive of your data that was made for the deletion is withdrawn; its link no longer works.</p>`,
  erasing: `<h1 tabindex="-1">Your account is being erased</h1>
<p>The erasure has begun, and nothing can stop it any more. A last mail will tell you when it is done.</p>`,
}

const withoutLink = `<p>If you have no working link, use the email address and the password of your account instead. This cancels the deletion and keeps your account as it was.</p>`

/** What is about to happen and when, and one button; without a working link, a form. */
export const cancelPage: LinkPage = {
  path: '/deletion/cancel',
  title: 'Keep your account',
  script: 'cancel.js',
  referrerPolicy: 'same-origin',
  main: `<noscript>
<h1>Keep your account</h1>
<p>The link from your mail needs JavaScript. Allow it for this page and reload, or use the email address and the password of your account instead. This cancels the deletion and keeps your account as it was.</p>
${cancelForm({ id: 'plain' })}
</noscript>
${loadingSection('Looking up your deletion')}
<section data-state="pending" hidden>
<h1 tabindex="-1">Your account will be erased <span class="until" data-fact="until"></span></h1>
<p class="date" data-fact="eraseAfter"></p>
<p>Until then nothing in it is touched. If you stay, you get it back just as you left it; after that your profile, your saved passwords, your picture and everything else in it are gone for good.</p>
<p><button type="button" class="key" data-keep>Keep my account</button></p>
<p class="notice" role="status" aria-live="polite"></p>
<p class="quiet">Do you want to leave? Then there is nothing to do here: close the page. You can also <a href="/deletion/status" data-same-token>see how far the deletion is</a>.</p>
</section>
<section data-state="cancelled" hidden>
${outcomes.cancelled}
</section>
<section data-state="already-cancelled" hidden>
<h1 tabindex="-1">Your account is active</h1>
<p>This deletion is cancelled already; nothing more is to be done.</p>
<p><strong>Log in with your password:</strong> every session from before stays ended, on every device.</p>
<p class="quiet"><a href="/deletion/status" data-same-token>See how the deletion went</a></p>
</section>
<section data-state="erasing" hidden>
${outcomes.erasing}
<p class="quiet"><a href="/deletion/status" data-same-token>See how far the deletion is</a></p>
</section>
<section data-state="erased" hidden>
<h1 tabindex="-1">Your account has been erased</h1>
<p>It is gone with everything in it, and nobody can bring it back. If you want to return, sign up as somebody new.</p>
<p class="quiet"><a href="/deletion/status" data-same-token>See how the deletion went</a></p>
</section>
<section data-state="unknown" hidden>
<h1 tabindex="-1">We don’t recognize this link</h1>
<p>Part of it may have been lost on the way. Open it again from the newest mail, or copy all of it into the address bar, up to the last character.</p>
${withoutLink}
${cancelForm({ id: 'cancel' })}
</section>
${failed}`,
}
