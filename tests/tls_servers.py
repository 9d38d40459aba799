"""Certificates made by openssl, and servers that use them."""

import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """A certificate authority whose files are in one folder: `ca.pem`, and a .pem and a .key per certificate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        usage = ["-addext", "keyUsage=critical,keyCertSign"]
        words = ["-x509", "-subj", "/CN=An authority of this test", "-days", "2", *usage]
        self._openssl("req", *words, *EC_KEY, "-keyout", "ca.key", "-out", "ca.pem")

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, host: str = "DNS:localhost", *, days: int = 2) -> Path:
        """Sign a certificate for a host, and return its file `<name>.pem`; its key is beside it in `<name>.key`."""
        self._openssl("req", "-subj", f"/CN={name}", *EC_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={host}\nauthorityKeyIdentifier=keyid\n")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext"]
        self._openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-days", str(days), "-out", f"{name}.pem")
        return self.folder / f"{name}.pem"

    def encrypt_key(self, name: str) -> Path:
        """Return a copy of a key that needs a password."""
        self._openssl("ec", "-in", f"{name}.key", "-aes128", "-passout", "pass:secret", "-out", f"{name}-encrypted.key")
        return self.folder / f"{name}-encrypted.key"

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a server on the yielded port that passes each client to `answer`, and then closes the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    answer(client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def tls(
    certificate: Path, change: Callable[[ssl.SSLContext], None] = lambda _: None
) -> Callable[[socket.socket], None]:
    """Return a server's answer in TLS: the handshake, and then nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    change(context)

    def answer(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as peer:
            peer.recv(100)

    return answer


def plain(text: bytes) -> Callable[[socket.socket], None]:
    """Return a server's answer without TLS."""

    def answer(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(text)

    return answer


def use_old_versions(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def want_client_certificate(authority: Authority) -> Callable[[ssl.SSLContext], None]:
    def change(context: ssl.SSLContext) -> None:
        context.load_verify_locations(authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED

    return change
