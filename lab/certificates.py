"""The lab's certificate authority, and a certificate for each part."""

import base64
import os
import secrets
from pathlib import Path

from lab import place
from lab.processes import run

CERTIFICATES = {
    "registry": ("/CN=registry", f"DNS:{place.REGISTRY.partition(':')[0]}"),
    "apiserver": (
        "/CN=kube-apiserver",
        f"IP:{place.NODE1},IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes.default.svc,DNS:localhost",
    ),
    "admin": ("/O=system:masters/CN=lab-admin", ""),
    "controller-manager": ("/CN=system:kube-controller-manager", ""),
    "scheduler": ("/CN=system:kube-scheduler", ""),
    "proxy": ("/CN=system:kube-proxy", ""),
    "dns": ("/CN=lab-dns", ""),
    "node1": ("/O=system:nodes/CN=system:node:node1", ""),
    "node2": ("/O=system:nodes/CN=system:node:node2", ""),
}
"""Name: (subject, alternative names)."""

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
"""What `openssl req` makes a key of."""


def up() -> str:
    """Make the authority, every certificate, the service accounts' key and the registry's password, once a lab."""
    pki = place.PKI
    if (pki / "done").exists():
        return "there"
    pki.mkdir(parents=True, exist_ok=True)
    pki.chmod(0o700)
    run(
        *("openssl", "req", "-x509", *KEY, "-keyout", pki / "ca.key", "-out", pki / "ca.crt", "-days", "3650"),
        *("-subj", "/CN=deploy lab", "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"),
    )
    for name, (subject, names) in CERTIFICATES.items():
        issue(name, subject, names)
    run("openssl", "genrsa", "-out", pki / "accounts.key", "2048")
    run("openssl", "rsa", "-in", pki / "accounts.key", "-pubout", "-out", pki / "accounts.pub")
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    place.BUNDLE.write_bytes(system.read_bytes() + (pki / "ca.crt").read_bytes())
    password("registry")
    (pki / "done").touch()
    return "made"


def issue(name: str, subject: str, names: str = "") -> None:
    """Make a key and a certificate of the authority; `names` as openssl's subjectAltName."""
    pki = place.PKI
    run("openssl", "req", *KEY, "-keyout", pki / f"{name}.key", "-out", pki / f"{name}.csr", "-subj", subject)
    extensions = "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nauthorityKeyIdentifier=keyid\n"
    (pki / f"{name}.ext").write_text(extensions + (f"subjectAltName={names}\n" if names else ""))
    fresh = pki / f"{name}.crt.{os.getpid()}"
    run(
        *("openssl", "x509", "-req", "-in", pki / f"{name}.csr", "-CA", pki / "ca.crt", "-CAkey", pki / "ca.key"),
        *("-CAcreateserial", "-days", "3650", "-extfile", pki / f"{name}.ext", "-out", fresh),
    )
    fresh.replace(pki / f"{name}.crt")


def password(name: str) -> str:
    """A secret word of a part's own, made when it is first asked for."""
    file = place.PKI / f"{name}-password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(18) + "\n")
    return file.read_text().strip()


def kubeconfig(file: Path, certificate: str, server: str = place.API) -> None:
    """Write a kubeconfig with one context, named as the certificate."""

    def inline(name: str) -> str:
        return base64.b64encode((place.PKI / name).read_bytes()).decode()

    fresh = file.with_name(f"{file.name}.{os.getpid()}")  # whoever reads it meanwhile reads a whole one
    fresh.touch(mode=0o600)
    fresh.write_text(
        f"""apiVersion: v1
kind: Config
clusters:
  - name: lab
    cluster: {{server: "{server}", certificate-authority-data: {inline("ca.crt")}}}
users:
  - name: {certificate}
    user: {{client-certificate-data: {inline(f"{certificate}.crt")}, client-key-data: {inline(f"{certificate}.key")}}}
contexts:
  - name: lab-{certificate}
    context: {{cluster: lab, user: {certificate}}}
current-context: lab-{certificate}
"""
    )
    fresh.replace(file)
