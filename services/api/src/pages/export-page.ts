import { type LinkPage, loading, refusals } from './layout.ts'

/** Offers the archive, and the saved passwords in exchange for the account's password. */
export const exportPage: LinkPage = {
  path: '/export',
  title: 'Your data',
  script: 'export.js',
  main: `${loading('Opening your archive')}
<section data-state="ready" hidden>
<h1 tabindex="-1">Your data is ready</h1>
<dl class="facts">
<div><dt>Size</dt><dd data-fact="size"></dd></div>
<div><dt>Made</dt><dd data-fact="createdAt"></dd></div>
<div><dt>Available until</dt><dd data-fact="expiresAt"></dd></div>
<div><dt>Downloaded</dt><dd data-fact="downloads"></dd></div>
<div><dt>SHA-256, to check the file</dt><dd><code data-fact="sha256"></code></dd></div>
</dl>
<p><a class="key" href="/v1/exports/archive" download data-download>Download the archive</a></p>
<p class="quiet">A ZIP file. Anyone who has this link can download it too, so keep the link to yourself.</p>
<div data-vault>
<h2>Your saved passwords</h2>
<p>The archive lists only their sites and user names. Enter the password of your account to get the passwords themselves, as a CSV file that password managers can import.</p>
<form method="post" data-passwords>
<label for="password">Password of your account</label>
<input id="password" name="password" type="password" autocomplete="current-password" required aria-describedby="password-notice">
<button type="submit" class="key other">Download the passwords</button>
<p class="notice" id="password-notice" role="status" aria-live="polite"></p>
</form>
<p class="notice" tabindex="-1" data-passwords-over hidden>You can download the saved passwords only while the deletion is pending, and it no longer is.</p>
<p class="quiet">Anyone who opens that file can read the passwords. Delete it once you have imported them.</p>
</div>
<h2>Done with it?</h2>
<p>You can destroy the archive before it expires. After that no one can read it, not even from a copy of our storage. What you have downloaded stays yours.</p>
<p><button type="button" class="key other" data-destroy>Destroy the archive now</button></p>
<p class="notice" id="destroy-notice" role="status" aria-live="polite"></p>
</section>
<section data-state="destroyed" hidden>
<h1 tabindex="-1">The archive is destroyed</h1>
<p>No one can open it any more. If a deletion is under way, it continues unchanged.</p>
</section>
<section data-state="not-ready" hidden>
<h1 tabindex="-1">Your archive is still being made</h1>
<p>We will send you a mail when it is ready. This link will open it then.</p>
<button type="button" class="key" data-again>Try again</button>
</section>
<section data-state="gone" hidden>
<h1 tabindex="-1">This archive is gone</h1>
<p>It expired, was destroyed, or was withdrawn because the deletion was cancelled. If you cancelled, your data is still in your account.</p>
</section>
${refusals}`,
}
