import { type LinkPage, loading, refusals } from './layout.ts'

/** The archive, and the saved passwords against the password of the account. */
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
<div><dt>To be fetched until</dt><dd data-fact="expiresAt"></dd></div>
<div><dt>Fetched</dt><dd data-fact="downloads"></dd></div>
<div><dt>SHA-256, to check the file</dt><dd><code data-fact="sha256"></code></dd></div>
</dl>
<p><a class="key" href="/v1/exports/archive" download data-download>Download the archive</a></p>
<p class="quiet">A ZIP file. Whoever has this link can fetch it too: keep the link to yourself.</p>
<div data-vault>
<h2>Your saved passwords</h2>
<p>The archive names their sites and user names only. With the password of your account you get the passwords themselves, as the CSV file that password managers import.</p>
<form method="post" data-passwords>
<label for="password">Password of your account</label>
<input id="password" name="password" type="password" autocomplete="current-password" required aria-describedby="password-notice">
<button type="submit" class="key other">Download the passwords</button>
<p class="notice" id="password-notice" role="status" aria-live="polite"></p>
</form>
<p class="notice" tabindex="-1" data-passwords-over hidden>The saved passwords are given out only as long as the deletion is pending, and that is over.</p>
<p class="quiet">Anybody who opens that file can read the passwords: delete it once they are imported.</p>
</div>
<h2>Done with it?</h2>
<p>You can destroy the archive before its time. Nobody can read it then, wherever a copy of our storage lies; what you have downloaded stays yours.</p>
<p><button type="button" class="key other" data-destroy>Destroy the archive now</button></p>
<p class="notice" id="destroy-notice" role="status" aria-live="polite"></p>
</section>
<section data-state="destroyed" hidden>
<h1 tabindex="-1">The archive is destroyed</h1>
<p>Nobody can open it any more. A deletion that is under way goes on as it was.</p>
</section>
<section data-state="not-ready" hidden>
<h1 tabindex="-1">Your archive is still being made</h1>
<p>A mail tells you when it is ready; this link will then open it.</p>
<button type="button" class="key" data-again>Try again</button>
</section>
<section data-state="gone" hidden>
<h1 tabindex="-1">This archive is gone</h1>
<p>Its time is over, or the deletion was cancelled: then your data is where it was, in your account.</p>
</section>
${refusals}`,
}
