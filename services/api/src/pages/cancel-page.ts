import { cancelForm } from './cancel-form.ts'
import { failed, type LinkPage, loadingSection } from './layout.ts'

/** Results of a deletion, shared by the link's page and the answer to the form. */
export const outcomes = {
  cancelled: `<h1 tabindex="-1">Good to have you back</h1>
<p>The deletion is cancelled, and your account is active again, just as you left it.</p>
<p><strong>Log in with your password:</strong> we ended every earlier session, on every device.</p>
<p class="quiet">If we made an archive of your data for the deletion, we have withdrawn it: its link no longer works.</p>`,
  erasing: `<h1 tabindex="-1">Your account is being erased</h1>
<p>The erasure has begun, and nothing can stop it any more. We will send you a last mail when it is done.</p>`,
}

const withoutLink = `<p>No working link? Use the email address and the password of your account instead. This cancels the deletion and keeps your account as it was.</p>`

/** Shows what will happen and when, with one button. Without a working link it shows a form. */
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
<p>Until then we change nothing in it, and you can still get it back just as you left it. After that your profile, your saved passwords, your picture and everything else in it are gone for good.</p>
<p><button type="button" class="key" data-keep>Keep my account</button></p>
<p class="notice" role="status" aria-live="polite"></p>
<p class="quiet">Still want to leave? Then you need to do nothing: just close this page. You can also <a href="/deletion/status" data-same-token>see how far the deletion is</a>.</p>
</section>
<section data-state="cancelled" hidden>
${outcomes.cancelled}
</section>
<section data-state="already-cancelled" hidden>
<h1 tabindex="-1">Your account is active</h1>
<p>This deletion was cancelled before. There is nothing more to do.</p>
<p><strong>Log in with your password:</strong> we ended every earlier session, on every device.</p>
<p class="quiet"><a href="/deletion/status" data-same-token>See how the deletion went</a></p>
</section>
<section data-state="erasing" hidden>
${outcomes.erasing}
<p class="quiet"><a href="/deletion/status" data-same-token>See how far the deletion is</a></p>
</section>
<section data-state="erased" hidden>
<h1 tabindex="-1">Your account has been erased</h1>
<p>It is gone with everything in it, and we cannot bring it back. If you want to return, you are welcome to sign up again.</p>
<p class="quiet"><a href="/deletion/status" data-same-token>See how the deletion went</a></p>
</section>
<section data-state="unknown" hidden>
<h1 tabindex="-1">We don’t recognize this link</h1>
<p>Part of it may be missing. Open it again from the newest mail, or copy the whole link into the address bar, up to the last character.</p>
${withoutLink}
${cancelForm({ id: 'cancel' })}
</section>
${failed}`,
}
