// @ts-check
/**
 * The component: models of a server that speaks chat completions.
 *
 * Every call runs in a fresh sandbox: nothing in memory survives it. What the server's JSON says is in `wire.js`, which is
 * pure and tested natively: `npm test`.
 */

import { ask, chunks, join, json } from '../.cara/sdk/http.js';
import { only, provider as offer, text, usage } from '../.cara/sdk/provider.js';
import { get } from '../.cara/sdk/settings.js';
import { events } from '../.cara/sdk/sse.js';
import { Answer, chat, modelsOf } from './wire.js';

/** What the host calls. */
export const provider = offer({ models, complete });

async function models() {
  return modelsOf(await json(await ask(address('models'))));
}

/**
 * Emits the answer piece by piece while it comes.
 *
 * @param {import('../.cara/sdk/provider.js').Request} request
 */
async function complete(request) {
  // What is not passed on is refused; an option is never left out silently.
  only(request, ['max-output-tokens', 'temperature', 'stop']);
  const response = await ask(address('chat/completions'), {
    method: 'POST',
    // The host adds the key on the wire, as component.toml says (`place`).
    headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify(chat(request)),
  });
  const answer = new Answer(request.model, { text, usage });
  for await (const data of events(chunks(response))) {
    answer.read(data);
    if (answer.done) break;
  }
  return answer.outcome();
}

/** @param {string} path Below the setting `base-url`: the operator's, or the default in component.toml. */
function address(path) {
  return join(get('base-url'), path);
}
