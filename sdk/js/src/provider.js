// @ts-check
/**
 * Offering language models, as in `wit/provider.wit` and `wit/turn.wit`.
 *
 * @typedef {{ tools?: boolean, images?: boolean, audio?: boolean, files?: boolean, structuredOutput?: boolean,
 *   reasoning?: boolean, embeddings?: boolean }} Abilities
 * @typedef {{ id: string, name: string, contextTokens?: number, outputTokens?: number, abilities: Abilities }} Model
 * @typedef {{ role: 'system' | 'user' | 'assistant' | 'tool', parts: { tag: string, val: any }[] }} Message
 * @typedef {{ model: string, system?: string, messages: Message[], tools: { name: string, description: string,
 *   inputSchema: string, strict?: boolean }[], toolChoice: { tag: string, val?: string }, parallelToolCalls?: boolean,
 *   responseFormat: { tag: 'text' } | { tag: 'json' } | { tag: 'json-schema', val: { name: string, description?: string,
 *   schema: string, strict?: boolean } }, maxOutputTokens?: number, temperature?: number, topP?: number, topK?: number,
 *   presencePenalty?: number, frequencyPenalty?: number, seed?: bigint, stop: string[],
 *   effort?: 'off' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max' }} Request
 * @typedef {{ stop: 'complete' | 'tool-calls' | 'length' | 'stop-sequence' | 'refused', model: string, requestId?: string,
 *   stopSequence?: string, fingerprint?: string }} Outcome
 * @typedef {{ model: string, inputs: string[], dimensions?: number }} EmbedRequest
 * @typedef {{ vectors: Float32Array[], model: string, inputTokens?: bigint }} Embeddings
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
 * @param {{ input: number, output: number, cacheRead?: number, cacheWrite?: number, reasoning?: number }} tokens
 */
export function usage({ input, output, cacheRead = 0, cacheWrite = 0, reasoning = 0 }) {
  const val = {
    input: BigInt(input),
    output: BigInt(output),
    cacheRead: BigInt(cacheRead),
    cacheWrite: BigInt(cacheWrite),
    reasoning: BigInt(reasoning),
  };
  emit([{ tag: 'usage', val }]);
}

/**
 * Refuses what is asked for and is not in `known`, each by its name in the contract, so that a provider which passes on a
 * few options drops none of the others. A choice counts where it demands a call.
 *
 * @param {Request} request
 * @param {string[]} known
 */
export function only(request, known) {
  const asked = {
    'tool-choice': request.toolChoice.tag === 'required' || request.toolChoice.tag === 'named',
    'parallel-tool-calls': request.parallelToolCalls !== undefined,
    'response-format': request.responseFormat.tag !== 'text',
    'max-output-tokens': request.maxOutputTokens !== undefined,
    temperature: request.temperature !== undefined,
    'top-p': request.topP !== undefined,
    'top-k': request.topK !== undefined,
    'presence-penalty': request.presencePenalty !== undefined,
    'frequency-penalty': request.frequencyPenalty !== undefined,
    seed: request.seed !== undefined,
    stop: request.stop.length > 0,
    effort: request.effort !== undefined,
  };
  for (const [name, wanted] of Object.entries(asked)) {
    if (wanted && !known.includes(name)) throw new Failure('unsupported', `this provider has no \`${name}\``);
  }
}

/**
 * The export `provider`. What its functions throw becomes an error of the contract.
 *
 * @param {{ models(): Model[] | Promise<Model[]>, complete(request: Request): Outcome | Promise<Outcome>,
 *   embed?(request: EmbedRequest): Embeddings | Promise<Embeddings> }} functions
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
