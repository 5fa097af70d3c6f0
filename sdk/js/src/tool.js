// @ts-check
/**
 * Work that a model can ask for, as in `wit/tool.wit`.
 *
 * @typedef {{ session: string, run: string, timeZone?: string, language?: string }} Context
 * On whose behalf and where the call is made; stamped by the host.
 * @typedef {{ mediaType: string, name?: string, data: Uint8Array }} Blob
 * @typedef {{ tag: 'text', val: string } | { tag: 'image' | 'audio' | 'file', val: Blob }} Content
 */

import { Failure, failureOf } from './error.js';

/**
 * The export `tool`: one function for each tool that component.toml describes, by its name.
 *
 * A function gets its arguments as the object that the host checked against the tool's schema. It answers with a text or
 * a list of contents, or throws a `Failure`.
 *
 * @param {Record<string, (input: any, context: Context) => string | Content[] | Promise<string | Content[]>>} table
 * @returns {{ call(name: string, input: string, context: Context): Promise<Content[]> }}
 */
export function tools(table) {
  return {
    async call(name, input, context) {
      if (!Object.hasOwn(table, name)) throw new Failure('unsupported', `there is no tool \`${name}\``);
      try {
        const answer = await table[name](JSON.parse(input), context);
        return typeof answer === 'string' ? [{ tag: 'text', val: answer }] : answer;
      } catch (thrown) {
        throw failureOf(thrown);
      }
    },
  };
}
