"""The private registry, asked over its HTTP API."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as TimeoutError_

from deployer import proxies, refusal
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

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

ANSWER = 30.0
"""Longest time in seconds for an answer."""

PATIENCE = 15.0
"""Longest time in seconds that a registry may ask us to wait before we ask again."""

PUSH_PATIENCE = 60.0
"""The same before docker pushes again."""

PIECE = b"\0" * 65536
"""What is sent to a registry to learn whether it has room: more than a file system gives away with a name."""

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_BEARER = re.compile(r"(?:^|,)\s*bearer (.*)", re.IGNORECASE | re.DOTALL)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


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
            if not self._owns(where):  # a store of another host's tells nothing of the registry
                return None
            sent = self._ask("PATCH", where, scope, patient=False, body=PIECE)
            self._ask("DELETE", urljoin(self._base, sent.headers.get("Location", "")) or where, scope, patient=False)
            return None if sent.status < 300 else self._refusal(sent)
        except RegistryError as error:
            return error.refusal

    def pull(self, image: Image, layout: Path) -> None:
        """Fetch the image, all that hangs on its index included, into `blobs/sha256/` of a folder; no docker is needed.

        `image` with its digest. Raises RegistryError where the registry cannot give it, PreflightError where it gives
        something else.
        """
        assert image.digest is not None
        folder = layout / "blobs" / "sha256"
        folder.mkdir(parents=True)
        for _, digest, kind in self._parts(
            image, image.digest, lambda one: self._fetch(image, one, "manifests", folder)
        ):
            if kind == "blobs":
                self._fetch(image, digest, kind, folder)

    def push(self, image: Image, layout: Path) -> None:
        """Send the image that a layout holds, under its digest and its tag; what is there already is not sent.

        `image` with its digest. Raises RegistryError where the registry does not take it, PreflightError before
        anything is sent where the layout does not have all of it.
        """
        assert image.digest is not None
        repository, scope = _repository(image), f"repository:{_repository(image)}:pull,push"
        folder = layout / "blobs" / "sha256"

        def held(digest: str) -> Path:
            file = folder / digest.removeprefix("sha256:")
            if not file.is_file():
                raise PreflightError(f"{digest} of {image.tagged} is missing, so nothing of it is sent")
            return file

        parts = list(self._parts(image, image.digest, held))
        for _, digest, _ in parts:
            held(digest)
        for media, digest, kind in reversed(parts):  # what a manifest names has to be there before it
            file = folder / digest.removeprefix("sha256:")
            if kind == "manifests":
                self._put_manifest(image, digest, media, file, scope)
            elif self._ask("HEAD", f"/v2/{repository}/blobs/{digest}", scope).status != 200:
                begun = self._ask("POST", f"/v2/{repository}/blobs/uploads/", scope)
                self._taken(begun, image)
                where = urljoin(self._base, begun.headers.get("Location", ""))
                where += ("&" if urlsplit(where).query else "?") + f"digest={digest}"
                with open(file, "rb") as body:
                    self._taken(self._ask("PUT", where, scope, body=body), image)
        media = next(media for media, digest, _ in parts if digest == image.digest)
        self._put_manifest(image, image.tag, media, folder / image.digest.removeprefix("sha256:"), scope)

    def _put_manifest(self, image: Image, name: str, media: str, file: Path, scope: str) -> None:
        path = f"/v2/{_repository(image)}/manifests/{name}"
        self._taken(self._ask("PUT", path, scope, body=file.read_bytes(), media=media), image)

    def _taken(self, answer: urllib3.BaseHTTPResponse, image: Image) -> None:
        if answer.status not in (201, 202):
            refused = self._refusal(answer)
            raise RegistryError(
                f"registry {self._host} does not take {image.tagged} ({answer.status}): {refused.sentence}",
                refused,
                hint=refused.hint,
            )

    def _parts(
        self, image: Image, digest: str, read: Callable[[str], Path], media: str = ""
    ) -> Iterator[tuple[str, str, str]]:
        """(media type, digest, manifests or blobs) of an image, each before what it names, and once."""
        data = _manifest(read(_plain(digest)).read_bytes())
        if data is None:
            raise PreflightError(
                f"{digest} of {image.tagged} is no manifest of an image, so nothing of it is taken",
                hint="build the image anew",
            )
        yield data.get("mediaType") or media or OCI_MANIFEST, digest, "manifests"
        seen: set[str] = set()
        for one in data.get("manifests", ()):
            yield from self._parts(image, one["digest"], read, one.get("mediaType", ""))
        for one in (*([data["config"]] if "config" in data else ()), *data.get("layers", ())):
            if one["digest"] not in seen and not one.get("urls"):
                seen.add(one["digest"])
                yield one.get("mediaType", ""), _plain(one["digest"]), "blobs"

    def _fetch(self, image: Image, digest: str, kind: str, folder: Path) -> Path:
        """A blob or a manifest as a file; one that is there is not fetched again."""
        file, repository = folder / digest.removeprefix("sha256:"), _repository(image)
        if file.exists():
            return file
        answer = self._ask("GET", f"/v2/{repository}/{kind}/{digest}", f"repository:{repository}:pull", whole=False)
        known = hashlib.sha256()
        try:
            if answer.status != 200:
                answer.read(cache_content=True)
                self._demand(answer, image)
            with open(file, "wb") as out:
                for piece in answer.stream(1 << 20):
                    known.update(piece)
                    out.write(piece)
        except HTTPError as error:
            raise self._silent(error) from None
        finally:
            answer.release_conn()
        if f"sha256:{known.hexdigest()}" != digest:
            raise PreflightError(f"registry {self._host} gives something else as {digest} of {image.tagged}")
        return file

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
        except (ValueError, RecursionError):
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
        pause = min(_asked_for(answer), PUSH_PATIENCE)
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

    def _owns(self, url: str) -> bool:
        """Whether a URL leads to the registry itself, and by its own scheme: elsewhere nobody is told our login."""
        return _origin(url) == _origin(self._base)

    @cached_property
    def _granted(self) -> dict[str, str]:
        """Scope: the token for it, as long as the registry takes it."""
        return {}

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        return proxies.Pool(timeout=urllib3.Timeout(connect=5, read=ANSWER), retries=_PATIENT)

    def _ask(
        self,
        method: str,
        path: str,
        scope: str | None = None,
        *,
        patient: bool = True,
        body: bytes | BinaryIO | None = None,
        media: str = "application/octet-stream",
        whole: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        """The answer to a path, or to a URL that the registry has named. Raises RegistryError where there is none.

        `media`: what the body is. `whole`: the answer is read at once; else it is the caller's to read.
        """
        url, retries = urljoin(self._base, path), _PATIENT if patient else _Patient(0)
        own = self._owns(url)
        headers = {"Accept": MANIFESTS}
        if body is not None:
            headers["Content-Type"] = media
        if body is not None and not isinstance(body, bytes):
            headers["Content-Length"] = str(os.fstat(body.fileno()).st_size)
        if own and self.login:
            headers |= _basic(self.login)
        if own and (granted := self._granted.get(scope or "")):
            headers["Authorization"] = f"Bearer {granted}"

        def send() -> urllib3.BaseHTTPResponse:
            return self._pool.request(method, url, headers=headers, body=body, retries=retries, preload_content=whole)

        try:
            answer = send()
            challenge = _BEARER.search(answer.headers.get("WWW-Authenticate", ""))
            if own and answer.status == 401 and challenge:
                # The first realm is its own: that of another way to log in may come after it.
                token = self._token(dict(reversed(_CHALLENGE.findall(challenge[1]))), scope)
                if token:
                    self._granted[scope or ""] = token
                    headers["Authorization"] = f"Bearer {token}"
                    answer.drain_conn()
                    if body is not None and not isinstance(body, bytes):
                        body.seek(0)
                    answer = send()
            return answer
        except MaxRetryError as error:
            reason = error.reason or error
            raise self._silent(reason, hint=_UNANSWERED) from None
        except HTTPError as error:
            raise self._silent(error) from None

    def _silent(self, error: BaseException, hint: str | None = None) -> RegistryError:
        late = isinstance(error, TimeoutError_) and not isinstance(error, NewConnectionError)
        fault = Fault.SLOW if late else Fault.AWAY
        hint = proxies.HINT if isinstance(error, proxies.ProxyFailed) else hint
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


def _asked_for(answer: urllib3.BaseHTTPResponse) -> float:
    """The seconds that an answer asks to be given; 0 where it names none, or in no way that HTTP knows."""
    try:
        return urllib3.Retry().get_retry_after(answer) or 0.0
    except InvalidHeader:
        return 0.0


class _Patient(urllib3.Retry):
    """Waits as long as the registry asks for, within reason."""

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float:
        return min(_asked_for(response), PATIENCE)


_PATIENT = _Patient(
    3, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504), redirect=5, raise_on_status=False
)
_UNANSWERED = "check registry.url, the network and, for a private CA, SSL_CERT_FILE"


def _repository(image: Image) -> str:
    """The name that the registry's API has for it: a prefix of the registry's URL is a part of it."""
    return "/".join(filter(None, (image.registry.partition("/")[2], image.repository)))


def _plain(digest: str) -> str:
    """A digest that may be the name of a file. Raises PreflightError where a manifest names anything else."""
    if not _DIGEST.fullmatch(digest):
        raise PreflightError(f"the image has a part `{digest}`, which is no digest", hint="build the image anew")
    return digest


def _manifest(content: bytes) -> dict[str, Any] | None:
    """A manifest, or an index, and what it names; None where that is none, whoever wrote it."""
    try:
        data: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    lists = [data.get(kind, []) for kind in ("manifests", "layers")]
    if not all(isinstance(one, list) for one in lists):
        return None
    named = [*lists[0], *lists[1], *([data["config"]] if "config" in data else ())]
    whole = all(isinstance(one, dict) and isinstance(one.get("digest"), str) for one in named)
    return data if whole and all(isinstance(one.get("mediaType", ""), str) for one in (data, *named)) else None


def _platform(described: dict[str, Any]) -> str:
    parts = (described.get("os"), described.get("architecture"), described.get("variant"))
    return "/".join(str(part) for part in parts if part) or "unknown/unknown"


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")


def _basic(login: Login) -> dict[str, str]:
    pair = base64.b64encode(f"{login.username}:{login.password}".encode())
    return {"Authorization": f"Basic {pair.decode()}"}


def _reason(error: BaseException) -> str:
    """The plain part of what urllib3 says: no object addresses, no URL."""
    return re.sub(r"^.*?: (?=\[|Failed|Connect)|<[^>]*>:? ?", "", str(error)).strip("() ")
