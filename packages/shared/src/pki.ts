// A local certificate authority for deployments without one: ECDSA P-256, files 0600, each written
// whole or not at all. Writes only below the directory it is given. Called by `weft pki`, tests, demo.
//
//   DIR/ca.crt ca.key                       the authority
//   DIR/<identity>/                         what one process needs, ready for --tls-dir:
//       ca.crt tls.crt tls.key
//
// The subject's common name is the identity: `central`, `chassis:<name>` or `operator:<name>`. Only
// central may serve and only the others may call (extended key usage), so that no chassis can pose
// as central to another.
import { randomBytes, webcrypto } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
// @peculiar/x509 refuses to load before this.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { WeftError } from "./errors.ts";
import { isId } from "./ids.ts";
import { canonicalIp } from "./net/ip.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 86_400_000;
/** Certificates begin this much in the past, for clocks that run behind. */
const backdateMs = 5 * 60_000;

export const caDays = 3650;
export const defaultCertificateDays = 365;
export const maxCertificateDays = caDays;

export interface IssueOptions {
  /** `central`, `chassis:<name>` or `operator:<name>`. */
  identity: string;
  /** Host names that the certificate is for; only central needs any. */
  dns: readonly string[];
  /** Addresses that the certificate is for. */
  ips: readonly string[];
  days: number;
  nowMs: number;
  /** Where the files go; default DIR/<identity>. */
  outDir?: string;
}

export interface IssuedFiles {
  dir: string;
  certFile: string;
  keyFile: string;
  caFile: string;
  notAfter: Date;
}

/** Creates an authority in `dir`. Throws `rejected` if there is one: its certificates would be void. */
export async function initCa(
  dir: string,
  options: { name: string; nowMs: number },
): Promise<{ certFile: string; notAfter: Date }> {
  const certFile = join(dir, "ca.crt");
  const keyFile = join(dir, "ca.key");
  for (const file of [certFile, keyFile]) {
    if ((await readIfThere(file)) !== null) {
      throw new WeftError(
        "rejected",
        `${file}: exists; remove it first if all certificates of that authority are to end`,
      );
    }
  }
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const notAfter = new Date(options.nowMs + caDays * dayMs);
  const cert = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial(),
      name: [{ CN: [options.name] }],
      notBefore: new Date(options.nowMs - backdateMs),
      notAfter,
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  await writeWhole(keyFile, await privateKeyPem(keys.privateKey));
  await writeWhole(certFile, `${cert.toString("pem")}\n`);
  return { certFile, notAfter };
}

/** Issues a key and certificate signed by the authority in `dir`, replacing earlier files. */
export async function issue(dir: string, options: IssueOptions): Promise<IssuedFiles> {
  checkIssue(options);
  const caPem = await readIfThere(join(dir, "ca.crt"));
  const caKeyPem = await readIfThere(join(dir, "ca.key"));
  if (caPem === null || caKeyPem === null) {
    throw new WeftError(
      "rejected",
      `${dir}: no certificate authority (ca.crt and ca.key); make one with weft pki init`,
    );
  }
  const ca = new x509.X509Certificate(caPem);
  const caKey = await webcrypto.subtle.importKey(
    "pkcs8",
    x509.PemConverter.decodeFirst(caKeyPem),
    algorithm,
    false,
    ["sign"],
  );
  const notAfter = new Date(Math.min(options.nowMs + options.days * dayMs, ca.notAfter.getTime()));
  if (notAfter.getTime() <= options.nowMs) {
    throw new WeftError(
      "rejected",
      `${join(dir, "ca.crt")}: expired ${ca.notAfter.toISOString()}; make a new authority`,
    );
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const isCentral = options.identity === "central";
  const alternatives: x509.JsonGeneralNames = [
    ...options.dns.map((value) => ({ type: "dns" as const, value })),
    ...options.ips.map((value) => ({ type: "ip" as const, value })),
  ];
  const cert = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial(),
      subject: [{ CN: [options.identity] }],
      issuer: ca.subjectName,
      notBefore: new Date(options.nowMs - backdateMs),
      notAfter,
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: caKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([
          isCentral ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
        ]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(ca, false, webcrypto),
        ...(alternatives.length > 0
          ? [new x509.SubjectAlternativeNameExtension(alternatives)]
          : []),
      ],
    },
    webcrypto,
  );
  const out = options.outDir ?? join(dir, options.identity);
  await mkdir(out, { recursive: true, mode: 0o700 });
  const files = {
    dir: out,
    caFile: join(out, "ca.crt"),
    certFile: join(out, "tls.crt"),
    keyFile: join(out, "tls.key"),
    notAfter,
  };
  await writeWhole(files.caFile, caPem);
  await writeWhole(files.keyFile, await privateKeyPem(keys.privateKey));
  await writeWhole(files.certFile, `${cert.toString("pem")}\n`);
  return files;
}

function checkIssue(options: IssueOptions): void {
  const refuse = (what: string): never => {
    throw new WeftError("rejected", what);
  };
  const [kind, name] = options.identity.split(/:(.*)/s);
  const hasName = name !== undefined && isId(name);
  if (options.identity !== "central" && !((kind === "chassis" || kind === "operator") && hasName)) {
    refuse(
      `identity ${JSON.stringify(options.identity)}: must be central, chassis:<name> or operator:<name>`,
    );
  }
  if (options.identity === "central" && options.dns.length + options.ips.length === 0) {
    refuse("identity central: needs the names or addresses that clients call it by: --dns or --ip");
  }
  for (const ip of options.ips) {
    if (canonicalIp(ip) === undefined) refuse(`--ip ${ip}: not an IP address`);
  }
  for (const dns of options.dns) {
    if (!/^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(dns)) {
      refuse(`--dns ${dns}: not a host name`);
    }
  }
  if (!(options.days > 0 && options.days <= maxCertificateDays)) {
    refuse(`--days ${options.days}: must be 1 to ${maxCertificateDays}`);
  }
}

/** 16 random bytes, positive and not zero (RFC 5280 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${x509.PemConverter.encode(der, "PRIVATE KEY")}\n`;
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Readers see the old file or the new one, also after a power cut; mode 0600. */
async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
