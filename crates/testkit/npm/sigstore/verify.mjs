// Checks a C2SP tlog-proof with Sigstore's own code: the signature on the checkpoint, and the path from the entry to its
// root. Arguments: the file of the proof, which carries its entry as extra data, and the log's key (name+hash+base64).
//
// Run in the directory that holds node_modules. Status 0: it holds. The files are the package's own, not its interface.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const part = (path) => import(pathToFileURL(resolve("node_modules/@sigstore/verify/dist/tlog", path)));
const { verifyCheckpoint } = await part("checkpoint.js");
const { verifyMerkleInclusion } = await part("merkle.js");

const [file, key] = process.argv.slice(2);
const [name, id, ...encoded] = key.split("+");
// Ed25519 keys as DER (RFC 8410) are these bytes and the key; the type byte of the text comes before it.
const prefix = Buffer.from("302a300506032b6570032100", "hex");
const der = Buffer.concat([prefix, Buffer.from(encoded.join("+"), "base64").subarray(1)]);
const log = {
  baseURL: name,
  logID: Buffer.from(id, "hex"),
  publicKey: createPublicKey({ key: der, format: "der", type: "spki" }),
};

const proof = readFileSync(file, "utf8");
const end = proof.indexOf("\n\n");
const [version, extra, index, ...hashes] = proof.slice(0, end).split("\n");
if (version !== "c2sp.org/tlog-proof@v1" || !extra.startsWith("extra ") || !index.startsWith("index ")) {
  throw new Error("no proof that carries its entry");
}
const entry = {
  canonicalizedBody: Buffer.from(extra.slice("extra ".length), "base64"),
  inclusionProof: {
    logIndex: index.slice("index ".length),
    hashes: hashes.map((hash) => Buffer.from(hash, "base64")),
    checkpoint: { envelope: proof.slice(end + 2) },
  },
};
verifyMerkleInclusion(entry, verifyCheckpoint(entry, [log]));
