// @ts-check
/** What is pure: texts in, texts out. */

/**
 * A greeting, repeated.
 *
 * @param {string} name
 * @param {number} times
 * @returns {string}
 */
export function greeting(name, times) {
  return Array(times).fill(`Hello, ${name}!`).join(' ');
}

/**
 * The title of an HTML page, its white space collapsed; `undefined` when it has none.
 *
 * @param {string} html
 * @returns {string | undefined}
 */
export function titleOf(html) {
  const found = /<title[^>]*>([^]*?)<\/title/i.exec(html);
  return found?.[1].trim().replace(/\s+/g, ' ') || undefined;
}
