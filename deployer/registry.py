"""The private registry, asked over its HTTP API."""

import base64
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as TimeoutError_

from deployer import refusal
from deployer.credentials import Login
from deployer.errors import PreflightError
from deployer.model import Image
from deployer.refusal import Fault, Refusal

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

PUSH_PATIENCE = 60.0
"""The same before docker pushes again."""

PIECE = b"\0" * 65536
"""What is sent to a registry to learn whether it has room: more than a file system gives away with a name."""

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_BEARER = re.compile(r"(?:^|,)\s*bearer (.*)", re.IGNORECASE | re.DOTALL)


class RegistryError(PreflightError):
    """The registry refuses, or does not answer; `refusal` says how."""

    def __init__(self, message: str, refused: Refusal, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.refusal = refused


@dataclass(frozen=True)
class Registry:
    """One registry under one login."""

    url: str  # host[:port][/prefix]
    login: Login | None = None

    def check(self) -> None:
        """Raises RegistryError where the registry does not answer or does not take the login."""
        answer = self._ask("GET", "/v2/")
        if answer.status == 200:
            return
        refused = self._refusal(answer)
        if refused.fault not in (Fault.LOGIN, Fault.DENIED):
            raise RegistryError(refused.sentence, refused, hint=refused.hint)
        said = f": {refused.said}" if refused.said else ""
        if answer.status not in (401, 403):
            raise RegistryError(f"registry {self._host} answers {answer.status} to GET /v2/{said}", refused)
        if self.login is None:
            raise RegistryError(
                f"registry {self._host} asks for a login",
                refused,
                hint="name the variables that hold it: registry.usernameVariable and registry.passwordVariable",
            )
        raise RegistryError(
            f"registry {self._host} refuses the login of `{self.login.username}` ({answer.status}){said}",
            refused,
            hint=refused.hint,
        )

    def digest(self, image: Image) -> str | None:
        """The digest ("sha256:…") under the image's tag, or None where the registry does not have it.

        Raises RegistryError where it cannot be asked, PreflightError where its answer cannot be used.
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

    def platforms(self, image: Image) -> frozenset[str]:
        """The platforms of an image that the registry has, `linux/amd64`; `image` with its digest.

        Raises as `digest` does.
        """
        assert image.digest is not None
        found = self._document(f"manifests/{image.digest}", image)
        listed = found.get("manifests")
        if listed is None:  # a single one: its configuration tells
            digest = found.get("config", {}).get("digest", "")
            return frozenset({_platform(self._document(f"blobs/{digest}", image))})
        return frozenset(map(_platform, (one.get("platform") or {} for one in listed))) - {"unknown/unknown"}

    def refusal(self, image: Image) -> Refusal | None:
        """Why the registry takes no push of this image just now; None where it does, or nobody can say.

        It is asked by a small upload that is taken back: docker keeps to itself why one was refused, and for how long.
        """
        repository, scope = _repository(image), f"repository:{_repository(image)}:pull,push"
        try:
            begun = self._ask("POST", f"/v2/{repository}/blobs/uploads/", scope, patient=False)
            if begun.status != 202:
                return self._refusal(begun)
            where = urljoin(self._base, begun.headers.get("Location", ""))
            if urlsplit(where).netloc != urlsplit(self._base).netloc:  # a store of another host's: not for our login
                return None
            sent = self._ask("PATCH", where, scope, patient=False, body=PIECE)
            self._ask("DELETE", urljoin(self._base, sent.headers.get("Location", "")) or where, scope, patient=False)
            return None if sent.status < 300 else self._refusal(sent)
        except RegistryError as error:
            return error.refusal

    def _manifest(self, image: Image, name: str) -> urllib3.BaseHTTPResponse | None:
        """The head of a manifest by its tag or digest; None where there is none."""
        path, scope = f"/v2/{_repository(image)}/manifests/{name}", f"repository:{_repository(image)}:pull"
        answer = self._ask("HEAD", path, scope)
        if answer.status == 404:
            return None
        if answer.status != 200:
            if answer.status in (401, 403):  # the answer to HEAD has no words
                answer = self._ask("GET", path, scope)
            self._demand(answer, image)
        return answer

    def _document(self, path: str, image: Image) -> dict[str, Any]:
        """A manifest, or a configuration."""
        repository = _repository(image)
        answer = self._ask("GET", f"/v2/{repository}/{path}", f"repository:{repository}:pull")
        self._demand(answer, image)
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise PreflightError(f"registry {self._host} gives no manifest of {image.tagged}")
        return found

    def _demand(self, answer: urllib3.BaseHTTPResponse, image: Image) -> None:
        if answer.status == 200:
            return
        refused = self._refusal(answer)
        if refused.fault not in (Fault.LOGIN, Fault.DENIED):
            raise RegistryError(refused.sentence, refused, hint=refused.hint)
        said = f": {refused.said}" if refused.said else ""
        raise RegistryError(
            f"registry {self._host} answers {answer.status} when asked for {image.tagged}{said}",
            refused,
            hint="the login may not be allowed to read it" if answer.status in (401, 403) else None,
        )

    def _refusal(self, answer: urllib3.BaseHTTPResponse) -> Refusal:
        pause = min(urllib3.Retry().get_retry_after(answer) or 0.0, PUSH_PATIENCE)
        return refusal.answered(self._host, answer.status, answer.data.decode(errors="replace"), pause)

    @property
    def _host(self) -> str:
        return self.url.partition("/")[0]

    @property
    def _base(self) -> str:
        name = self._host.partition(":")[0]
        scheme = "http" if name == "localhost" or name.startswith("127.") else "https"  # as docker does
        host = "registry-1.docker.io" if name == "docker.io" else self._host
        return f"{scheme}://{host}/"

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=_PATIENT)

    def _ask(
        self, method: str, path: str, scope: str | None = None, *, patient: bool = True, body: bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        """The registry's answer to a path or a URL of its own. Raises RegistryError where there is none."""
        url, retries = urljoin(self._base, path), _PATIENT if patient else _Patient(0)
        headers = {"Accept": MANIFESTS}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        if self.login:
            headers |= _basic(self.login)
        try:
            answer = self._pool.request(method, url, headers=headers, body=body, retries=retries)
            challenge = _BEARER.search(answer.headers.get("WWW-Authenticate", ""))
            if answer.status == 401 and challenge:
                token = self._token(dict(_CHALLENGE.findall(challenge[1])), scope)
                if token:
                    headers["Authorization"] = f"Bearer {token}"
                    answer = self._pool.request(method, url, headers=headers, body=body, retries=retries)
            return answer
        except MaxRetryError as error:
            reason = error.reason or error
            raise self._silent(reason, hint=_UNANSWERED) from None
        except HTTPError as error:
            raise self._silent(error) from None

    def _silent(self, error: BaseException, hint: str | None = None) -> RegistryError:
        late = isinstance(error, TimeoutError_) and not isinstance(error, NewConnectionError)
        fault = Fault.SLOW if late else Fault.AWAY
        said = _reason(error)
        message = f"registry {self._host} does not answer: {said}"
        return RegistryError(message, Refusal(fault, self._host, said=said), hint=hint)

    def _token(self, challenge: dict[str, str], scope: str | None) -> str | None:
        """A token for the login; None where it gets none. Raises RegistryError where nobody can say."""
        headers = _basic(self.login) if self.login else None
        wanted = {"service": challenge.get("service", ""), "scope": scope or challenge.get("scope", "")}
        answer = self._pool.request(
            "GET", challenge.get("realm", ""), fields={k: v for k, v in wanted.items() if v}, headers=headers
        )
        if answer.status == 429 or answer.status >= 500:
            refused = self._refusal(answer)
            raise RegistryError(f"{refused.sentence} (its token server)", refused, hint=refused.hint)
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


_PATIENT = _Patient(
    3, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), redirect=5, raise_on_status=False
)
_UNANSWERED = "check registry.url, the network and, for a private CA, SSL_CERT_FILE"


def _repository(image: Image) -> str:
    """The name that the registry's API has for it: a prefix of the registry's URL is a part of it."""
    return "/".join(filter(None, (image.registry.partition("/")[2], image.repository)))


def _platform(described: dict[str, Any]) -> str:
    parts = (described.get("os"), described.get("architecture"), described.get("variant"))
    return "/".join(str(part) for part in parts if part) or "unknown/unknown"


def _basic(login: Login) -> dict[str, str]:
    pair = base64.b64encode(f"{login.username}:{login.password}".encode())
    return {"Authorization": f"Basic {pair.decode()}"}


def _reason(error: BaseException) -> str:
    """The plain part of what urllib3 says: no object addresses, no URL."""
    return re.sub(r"^.*?: (?=\[|Failed|Connect)|<[^>]*>:? ?", "", str(error)).strip("() ")
