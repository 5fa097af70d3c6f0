// @ts-check
/**
 * Requests, over the engine's `fetch`, which calls `wasi:http/outgoing-handler`.
 *
 * The host decides where a request may go, puts secrets in, and follows no redirect.
 */

import { Failure, excerpt, fromStatus } from './error.js';

/** The most bytes of a body unless said. */
const LIMIT = 16 * 1024 * 1024;

/**
 * Sends a request and waits for the head of the answer, whatever its status.
 *
 * @param {string} url
 * @param {{ method?: string, headers?: Record<string, string>, body?: string | Uint8Array<ArrayBuffer> }} [request]
 * @returns {Promise<Response>}
 */
export async function send(url, request = {}) {
  try {
    return await fetch(url, request);
  } catch (thrown) {
    // Why it failed is in the host's log: `fetch` does not say.
    throw new Failure('network', `\`${authority(url)}\` gave no answer`);
  }
}

/**
 * As {@link send}, and an answer without success is thrown: its kind from the status, its words from the server.
 *
 * @param {string} url
 * @param {{ method?: string, headers?: Record<string, string>, body?: string | Uint8Array<ArrayBuffer> }} [request]
 * @returns {Promise<Response>}
 */
export async function ask(url, request) {
  const response = await send(url, request);
  if (response.ok) return response;
  const said = excerpt(await text(response, 64 * 1024).catch(() => ''));
  const message = `\`${authority(url)}\` answered ${response.status}${said && `: ${said}`}`;
  throw fromStatus(response.status, message, retryAfterMs(response));
}

/**
 * The pieces of a body, as they come.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<Uint8Array, void, void>}
 */
export async function* chunks(response) {
  if (!response.body) return;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Failure('network', 'the answer broke off');
    });
    if (done) return;
    yield value;
  }
}

/**
 * A body as text; what is not UTF-8 becomes U+FFFD. One over the limit is an error.
 *
 * @param {Response} response
 * @param {number} [limit] In bytes.
 * @returns {Promise<string>}
 */
export async function text(response, limit = LIMIT) {
  const decoder = new TextDecoder();
  let [whole, length] = ['', 0];
  for await (const piece of chunks(response)) {
    length += piece.length;
    if (length > limit) throw new Failure('network', `the answer is larger than ${limit} bytes`);
    whole += decoder.decode(piece, { stream: true });
  }
  return whole + decoder.decode();
}

/**
 * A body as JSON.
 *
 * @param {Response} response
 * @param {number} [limit] In bytes.
 * @returns {Promise<any>}
 */
export async function json(response, limit = LIMIT) {
  const body = await text(response, limit);
  try {
    return JSON.parse(body);
  } catch {
    throw new Failure('network', 'the answer is not the JSON expected');
  }
}

/**
 * How long the server asked to wait (RFC 9110 section 10.2.3), in milliseconds.
 *
 * @param {Response} response
 * @returns {number | undefined}
 */
export function retryAfterMs(response) {
  const value = response.headers.get('retry-after')?.trim();
  if (!value) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/**
 * Appends a path to a base address, whether or not that ends with a slash.
 *
 * @param {string} base
 * @param {string} path
 * @returns {string}
 */
export function join(base, path) {
  return `${base.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
}

/** @param {string} url */
function authority(url) {
  return /^https?:\/\/([^/?#]*)/i.exec(url)?.[1] ?? url;
}
