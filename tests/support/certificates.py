"""A certificate authority and certificates for 127.0.0.1, made for one test and good for a day."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["Certificates"]

_LOOPBACK = "subjectAltName=DNS:localhost,IP:127.0.0.1"


class Certificates:
    """PEM files in one directory, made by openssl (3.0 or newer) when first asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def authority(self) -> Path:
        """Certificate of the authority."""
        return self._made("authority.pem")

    @property
    def server_bundle(self) -> Path:
        """Key, certificate and authority of the server in one file."""
        return self._made("server-bundle.pem")

    @property
    def client_certificate(self) -> Path:
        """Certificate of a client, signed by the authority."""
        return self._made("client.pem")

    @property
    def client_key(self) -> Path:
        """Key of the client's certificate."""
        return self._made("client.key")

    @property
    def stranger(self) -> Path:
        """Certificate of an authority that signed nothing here."""
        return self._made("stranger.pem")

    def _made(self, name: str) -> Path:
        if not (self.directory / name).exists():
            self._make()
        return self.directory / name

    def _make(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._certificate("authority")
        self._certificate("stranger")
        signed = ("-CA", "authority.pem", "-CAkey", "authority.key")
        for name in ("server", "client"):
            # Without CA:FALSE the defaults would make this an authority as well.
            self._certificate(
                name, *signed, "-addext", _LOOPBACK, "-addext", "basicConstraints=CA:FALSE"
            )
        parts = ("server.key", "server.pem", "authority.pem")
        bundle = b"".join((self.directory / part).read_bytes() for part in parts)
        (self.directory / "server-bundle.pem").write_bytes(bundle)

    def _certificate(self, name: str, *more: str) -> None:
        """`name`.key and `name`.pem; without `more` one that signs itself."""
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]
        command += ["-nodes", "-days", "1", "-subj", f"/CN=usage-pulse test {name}"]
        command += ["-keyout", f"{name}.key", "-out", f"{name}.pem", *more]
        subprocess.run(command, cwd=self.directory, check=True, capture_output=True)
