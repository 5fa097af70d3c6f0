// Verifies `FILE.sigstore.json` with Sigstore's own packages: node verify.mjs FILE PUBLIC-KEY
//
// A key has no certificate, log entry or time stamp, so none is asked for. That the payload is about the file is this
// script's own comparison, as it is in cosign's `verify-blob-attestation`.
import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { bundleFromJSON } from "@sigstore/bundle";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";

const [file, keyFile] = process.argv.slice(2);
const bundle = bundleFromJSON(JSON.parse(readFileSync(`${file}.sigstore.json`, "utf8")));
const publicKey = createPublicKey(readFileSync(keyFile));
const nothing = { mediaType: "", tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };
const trust = toTrustMaterial(nothing, () => ({ publicKey, validFor: () => true }));
const verifier = new Verifier(trust, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 });
const artifact = readFileSync(file);
verifier.verify(toSignedEntity(bundle, artifact));

const statement = JSON.parse(bundle.content.dsseEnvelope.payload.toString("utf8"));
const digest = createHash("sha256").update(artifact).digest("hex");
if (!statement.subject.some((subject) => subject.digest.sha256 === digest)) {
  throw new Error("the statement is about another file");
}
console.log(`${statement._type} ${statement.subject[0].name}`);
