import { type LinkPage, loading, refusals } from './layout.ts'

/** Shows the progress of the deletion: requested, export, erased or cancelled. */
export const statusPage: LinkPage = {
  path: '/deletion/status',
  title: 'The status of your deletion',
  script: 'status.js',
  main: `${loading('Looking up your deletion')}
<section data-state="report" hidden>
<h1 tabindex="-1" data-fact="headline"></h1>
<ol class="course" data-fact="course"></ol>
<p class="row"><a class="key" href="/deletion/cancel" data-same-token data-keep>Keep my account</a>
<button type="button" class="key other" data-again>Refresh</button></p>
</section>
${refusals}`,
}
