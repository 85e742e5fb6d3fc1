// TLS in front of a plain loopback port: what `https://` and `wss://` hosts are to a client that comes through
// a proxy. The certificate is of `broker.test` alone, and trusted by nobody until a test says so.
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { createServer, getCACertificates, setDefaultCACertificates } from "node:tls";

/** Self-signed, for tests only. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBIo07ko6iWOE93gX
c8w+NkodohzQvEJnvXg1B8QGzTChRANCAASrC9niVV//sLKvQoHxBu1cm5ZFgPGc
D0cn09aorV5UCjUmYJ3FErOWnFD1YL5HqlBwKhetwtpgFUzaS6YGbI87
-----END PRIVATE KEY-----
`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUcuQcwtMg+PHyIYquhRSzxiftSFUwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLYnJva2VyLnRlc3QwIBcNMjYxMTI2MjEyODQzWhgPMjEyNjEx
MDIyMTI4NDNaMBYxFDASBgNVBAMMC2Jyb2tlci50ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEqwvZ4lVf/7Cyr0KB8QbtXJuWRYDxnA9HJ9PWqK1eVAo1JmCd
xRKzlpxQ9WC+R6pQcCoXrcLaYBVM2kumBmyPO6NrMGkwHQYDVR0OBBYEFNnxqbz4
hy/ipCkLvGkGvbEnao4+MB8GA1UdIwQYMBaAFNnxqbz4hy/ipCkLvGkGvbEnao4+
MA8GA1UdEwEB/wQFMAMBAf8wFgYDVR0RBA8wDYILYnJva2VyLnRlc3QwCgYIKoZI
zj0EAwIDSAAwRQIhANbpC7AxbtChto58e0geyKkWLZ1uZxnoosb2S490GgchAiB/
0YYM7btShiykFnxCc9lMZ5kaYTzrv2nDaqrpQEcbAA==
-----END CERTIFICATE-----
`;

export interface TlsDoor {
  port: number;
  close(): Promise<void>;
}

/** Takes TLS and hands the plain bytes to `port` of this machine. */
export async function startTlsDoor(port: number): Promise<TlsDoor> {
  const server = createServer({ key: KEY, cert: CERTIFICATE }, (near) => {
    const far = connect(port, "127.0.0.1");
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
    near.pipe(far).pipe(near);
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** This process trusts the certificate until the returned function is called. */
export function trustTlsDoors(): () => void {
  const before = getCACertificates("default");
  setDefaultCACertificates([...before, CERTIFICATE]);
  return () => setDefaultCACertificates(before);
}
