// @ts-check
/**
 * The component: which tools there are, and what each does.
 *
 * Every call runs in a fresh sandbox: nothing in memory survives it. What is pure is in `text.js`, where it is tested
 * natively: `npm test`.
 */

import { Failure, fromStatus } from '../.cara/sdk/error.js';
import { retryAfterMs, send, text } from '../.cara/sdk/http.js';
import { tools } from '../.cara/sdk/tool.js';
import { greeting, titleOf } from './text.js';

/** The most of a page that is read for its title, in bytes. */
const PAGE_LIMIT = 256 * 1024;

/** What the host calls. The names are those in component.toml. */
export const tool = tools({
  {{snake}}_greet: greet,
  {{snake}}_title: title,
});

/** @param {{ name: string, times?: number }} input As the schema in component.toml says: the host checked it. */
function greet({ name, times = 1 }) {
  return greeting(name, times);
}

/**
 * Asks the one host that component.toml declares; the host lets no other request out.
 *
 * @param {{ page: string }} input
 */
async function title({ page }) {
  const url = `https://example.com/${page}`;
  const response = await send(url, { headers: { accept: 'text/html' } });
  if (!response.ok) {
    // The kind of the error says whether it is worth another try.
    throw fromStatus(response.status, `\`${url}\` answered ${response.status}`, retryAfterMs(response));
  }
  const found = titleOf(await text(response, PAGE_LIMIT));
  if (found === undefined) throw new Failure('other', `\`${url}\` has no title`);
  return found;
}
