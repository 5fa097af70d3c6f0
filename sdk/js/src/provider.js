// @ts-check
/**
 * Offering language models, as in `wit/provider.wit` and `wit/turn.wit`.
 *
 * @typedef {{ id: string, name: string, contextTokens?: number, outputTokens?: number }} Model
 * @typedef {{ role: 'system' | 'user' | 'assistant' | 'tool', parts: { tag: string, val: any }[] }} Message
 * @typedef {{ model: string, system?: string, messages: Message[], tools: { name: string, description: string,
 *   inputSchema: string }[], toolChoice: { tag: string, val?: string }, maxOutputTokens?: number, temperature?: number,
 *   stop: string[], effort?: 'off' | 'low' | 'medium' | 'high' }} Request
 * @typedef {{ stop: 'complete' | 'tool-calls' | 'length' | 'stop-sequence' | 'refused', model: string }} Outcome
 * @typedef {{ model: string, inputs: string[] }} EmbedRequest
 */

import { emit } from 'cara:plugin/turn@0.2.0';

import { Failure, failureOf } from './error.js';

export { emit };

/**
 * Emits a piece of the answer's text, and returns when there is room for the next.
 *
 * @param {string} piece
 */
export function text(piece) {
  emit([{ tag: 'text', val: piece }]);
}

/**
 * Emits how many tokens it took so far; replaces what was said before.
 *
 * @param {{ input: number, output: number, cacheRead?: number, cacheWrite?: number }} tokens
 */
export function usage({ input, output, cacheRead = 0, cacheWrite = 0 }) {
  const [first, second, third, fourth] = [input, output, cacheRead, cacheWrite].map(BigInt);
  emit([{ tag: 'usage', val: { input: first, output: second, cacheRead: third, cacheWrite: fourth } }]);
}

/**
 * The export `provider`. What its functions throw becomes an error of the contract.
 *
 * @param {{ models(): Model[] | Promise<Model[]>, complete(request: Request): Outcome | Promise<Outcome>,
 *   embed?(request: EmbedRequest): Float32Array[] | Promise<Float32Array[]> }} functions
 */
export function provider({ models, complete, embed }) {
  const none = () => {
    throw new Failure('unsupported', 'this provider has no embeddings');
  };
  return { models: caught(models), complete: caught(complete), embed: caught(embed ?? none) };
}

/**
 * @template {unknown[]} A, R
 * @param {(...values: A) => R | Promise<R>} work
 * @returns {(...values: A) => Promise<R>}
 */
function caught(work) {
  return async (...values) => {
    try {
      return await work(...values);
    } catch (thrown) {
      throw failureOf(thrown);
    }
  };
}
