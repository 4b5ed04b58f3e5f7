"""The private registry, asked over its HTTP API."""

import base64
import re
from dataclasses import dataclass
from functools import cached_property

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from deployer.credentials import Login
from deployer.errors import PreflightError
from deployer.model import Image

MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)

PATIENCE = 15.0
"""Longest time in seconds that a registry may ask us to wait before we ask again."""

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Registry:
    """One registry under one login."""

    url: str  # host[:port][/prefix]
    login: Login | None = None

    def check(self) -> None:
        """Raises PreflightError where the registry does not answer or does not take the login."""
        answer = self._ask("GET", "/v2/")
        if answer.status in (401, 403):
            if self.login is None:
                raise PreflightError(
                    f"registry {self._host} asks for a login",
                    hint="name the variables that hold it: registry.usernameVariable and registry.passwordVariable",
                )
            raise PreflightError(
                f"registry {self._host} refuses the login of `{self.login.username}` ({answer.status})",
                hint="check the user and the password in the job's variables or in .env",
            )
        if answer.status != 200:
            raise PreflightError(f"registry {self._host} answers {answer.status} to GET /v2/")

    def digest(self, image: Image) -> str | None:
        """The digest ("sha256:…") under the image's tag, or None where the registry does not have it.

        Raises PreflightError where it cannot be asked, or gives no answer that can be used.
        """
        answer = self._manifest(image, image.tag)
        if answer is None:
            return None
        digest: str | None = answer.headers.get("Docker-Content-Digest")
        if not digest:
            raise PreflightError(f"registry {self._host} names no digest for {image.tagged}")
        return digest

    def holds(self, image: Image) -> bool:
        """Whether the registry has the image under its digest, whatever its tags say now."""
        assert image.digest is not None
        return self._manifest(image, image.digest) is not None

    def _manifest(self, image: Image, name: str) -> urllib3.BaseHTTPResponse | None:
        """The head of a manifest by its tag or digest; None where there is none."""
        repository = "/".join(filter(None, (image.registry.partition("/")[2], image.repository)))
        answer = self._ask("HEAD", f"/v2/{repository}/manifests/{name}", f"repository:{repository}:pull")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise PreflightError(
                f"registry {self._host} answers {answer.status} when asked for {image.tagged}",
                hint="the login may not be allowed to read it" if answer.status in (401, 403) else None,
            )
        return answer

    @property
    def _host(self) -> str:
        return self.url.partition("/")[0]

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=30),
            retries=_Patient(3, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), redirect=5),
        )

    def _ask(self, method: str, path: str, scope: str | None = None) -> urllib3.BaseHTTPResponse:
        name = self._host.partition(":")[0]
        scheme = "http" if name == "localhost" or name.startswith("127.") else "https"  # as docker does
        host = "registry-1.docker.io" if name == "docker.io" else self._host
        headers = {"Accept": MANIFESTS}
        if self.login:
            headers |= _basic(self.login)
        try:
            answer = self._pool.request(method, f"{scheme}://{host}{path}", headers=headers)
            challenge = answer.headers.get("WWW-Authenticate", "")
            if answer.status == 401 and challenge.lower().startswith("bearer "):
                token = self._token(dict(_CHALLENGE.findall(challenge)), scope)
                if token:
                    headers["Authorization"] = f"Bearer {token}"
                    answer = self._pool.request(method, f"{scheme}://{host}{path}", headers=headers)
            return answer
        except MaxRetryError as error:
            raise PreflightError(
                f"registry {self._host} does not answer: {_reason(error.reason or error)}",
                hint="check registry.url, the network and, for a private CA, SSL_CERT_FILE",
            ) from None
        except HTTPError as error:
            raise PreflightError(f"registry {self._host} does not answer: {_reason(error)}") from None

    def _token(self, challenge: dict[str, str], scope: str | None) -> str | None:
        headers = _basic(self.login) if self.login else None
        wanted = {"service": challenge.get("service", ""), "scope": scope or challenge.get("scope", "")}
        answer = self._pool.request(
            "GET", challenge.get("realm", ""), fields={k: v for k, v in wanted.items() if v}, headers=headers
        )
        if answer.status != 200:
            return None
        try:
            body = answer.json()
        except ValueError:
            return None
        token: str | None = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
        return token


class _Patient(urllib3.Retry):
    """Waits as long as the registry asks for, within reason."""

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, PATIENCE)


def _basic(login: Login) -> dict[str, str]:
    pair = base64.b64encode(f"{login.username}:{login.password}".encode())
    return {"Authorization": f"Basic {pair.decode()}"}


def _reason(error: BaseException) -> str:
    """The plain part of what urllib3 says: no object addresses, no URL."""
    return re.sub(r"^.*?: (?=\[|Failed|Connect)|<[^>]*>:? ?", "", str(error)).strip("() ")
