// @ts-check
/**
 * Secrets as keys, and which are at hand, as in `wit/secrets.wit`. Needs `[[secret]]` in component.toml.
 *
 * A secret that stands in requests needs nothing of this: the host fills the headers and query keys that component.toml
 * names (`place`). In any other place, write `cara-secret--NAME` for the value.
 */

export { available, sign } from 'cara:plugin/secrets@0.2.0';
