"""Credentials of one context, read from a kubeconfig. The only module that imports `kubernetes`."""

import contextlib
import difflib
import hashlib
import importlib
import importlib.util
import logging
import os
import ssl
import sys
import threading
import types
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from urllib3.exceptions import LocationValueError

from deployer import proxies
from deployer.errors import PreflightError

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
POOL = 32  # connections: watches, lists, logs and reviews side by side
_LOADING = threading.Lock()
OAUTH = ("oauthlib", "oauthlib.oauth2", "requests_oauthlib")  # for renewing an OIDC token; they bring `requests`


class Session:
    """A connection pool and the headers that go with it. Nothing is sent to the server yet."""

    def __init__(self, kubeconfig: Path, context: str) -> None:
        configuration, rest = _parts()
        self._configuration: Any = configuration()
        self._configuration.connection_pool_maxsize = POOL
        self.trouble, files = _load(self._configuration, kubeconfig, context)
        for file in files:
            weakref.finalize(self, os.close, file)
        self._take_login(kubeconfig, context)
        self.pool: Any = rest(self._configuration).pool_manager
        self.server: str = self._configuration.host
        self.ca_sha256 = _fingerprint(self._configuration.ssl_ca_cert)
        self._demand_credentials(kubeconfig, context)

    def authorization(self) -> dict[str, str]:
        """The header that says who we are; refreshes a token that has expired."""
        with _LOADING, _complaints() as said:
            settings = self._configuration.auth_settings()
        self.trouble = said[-1] if said else self.trouble
        return {str(one["key"]): str(one["value"]) for one in settings.values() if one["value"]}

    def _take_login(self, kubeconfig: Path, context: str) -> None:
        """The client takes the variables and the kubeconfig's `proxy-url`, but shows the proxy no login in them."""
        settings = self._configuration
        if not settings.proxy or settings.proxy.startswith("socks"):
            return
        try:
            settings.proxy, settings.proxy_headers = proxies.spoken(settings.proxy)
        except LocationValueError as error:
            raise PreflightError(f"context {context} of {kubeconfig}: {error}", hint=proxies.HINT) from None

    def _demand_credentials(self, kubeconfig: Path, context: str) -> None:
        """The client only logs that a plugin failed, and would go on as nobody."""
        plain = self.server.startswith("http://") and not self.trouble  # as `kubectl proxy` offers
        if plain or self._configuration.cert_file or self.authorization():
            return
        raise PreflightError(
            f"context {context} of {kubeconfig} gives no credentials",
            hint="log in to the cluster, then try again",
            detail=tuple(self.trouble.splitlines()),
        )


def _parts() -> tuple[Any, Any]:
    """The client's Configuration and its REST client, without the 800 models that its packages import on the way.

    Nobody here uses them, and they take half of the time of an `up` that has nothing to do. The packages are
    stood in for by empty ones; where that does not work out with another version, the whole client is imported.
    """
    with _LOADING:
        if "kubernetes" not in sys.modules:
            try:
                _stand_in()
            except Exception:  # whatever another version has elsewhere
                _forget()
        from kubernetes.client import Configuration, rest

        return Configuration, rest.RESTClientObject


def _stand_in() -> None:
    found = importlib.util.find_spec("kubernetes")
    assert found is not None
    root = next(iter(found.submodule_search_locations or ()))
    packages = {name: types.ModuleType(name) for name in ("kubernetes", "kubernetes.client", "kubernetes.utils")}
    for name, package in packages.items():
        package.__path__ = [os.path.join(root, *name.split(".")[1:])]
    sys.modules.update(packages)
    client: Any = packages["kubernetes.client"]
    client.Configuration = importlib.import_module("kubernetes.client.configuration").Configuration
    client.ApiClient = _api_client
    client.rest = importlib.import_module("kubernetes.client.rest")
    oauth = {name: types.ModuleType(name) for name in OAUTH if name not in sys.modules}
    for package in oauth.values():
        package.__dict__.update({"oauth2": package, "OAuth2Session": None})
    sys.modules.update(oauth)
    try:
        importlib.import_module("kubernetes.config.kube_config")
    finally:
        for name in oauth:
            del sys.modules[name]


def _api_client(*arguments: Any, **named: Any) -> Any:
    """The loader of kubeconfigs needs one to renew an OIDC token, and for nothing else: the real one, then."""
    loader: Any = sys.modules["kubernetes.config.kube_config"]
    _forget()
    from kubernetes.client import ApiClient

    whole: Any = importlib.import_module("kubernetes.config.kube_config")
    loader.OAuth2Session, loader.oauthlib = whole.OAuth2Session, whole.oauthlib
    return ApiClient(*arguments, **named)


def _forget() -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "kubernetes"]:
        del sys.modules[name]


def _load(configuration: Any, kubeconfig: Path, context: str) -> tuple[str, list[int]]:
    """Fill in the client's configuration; return what its loader complained of, and files to close at the end."""
    from kubernetes.config import kube_config

    files = [Path(one).expanduser() for one in str(kubeconfig).split(os.pathsep)]
    if not any(one.is_file() for one in files):
        raise PreflightError(
            f"there is no kubeconfig at {kubeconfig}", hint="target.kubeconfig in the profile names it"
        )
    try:
        merged: Any = kube_config.KubeConfigMerger(str(kubeconfig)).config  # type: ignore[no-untyped-call]  # not annotated
        names = [str(one["name"]) for one in merged.value.get("contexts") or ()]
    except Exception as error:  # PyYAML's, the client's or a plain TypeError: the file is wrong in one way or another
        raise PreflightError(f"{kubeconfig} is not a kubeconfig: {_first_line(error)}") from None
    if context not in names:
        nearest = difflib.get_close_matches(context, names, n=1)
        raise PreflightError(
            f"{kubeconfig} has no context `{context}`" + (f"; did you mean `{nearest[0]}`?" if nearest else ""),
            hint=f"contexts there: {', '.join(sorted(names)) or 'none'}",
        )
    try:
        with _LOADING, _complaints() as said:
            kube_config.load_kube_config(  # type: ignore[no-untyped-call]  # not annotated
                str(kubeconfig), context, client_configuration=configuration
            )
            opened = _in_memory(configuration)
    except Exception as error:
        raise PreflightError(f"context {context} of {kubeconfig} is unusable: {_first_line(error)}") from None
    return "\n".join(said), opened


def _in_memory(configuration: Any) -> list[int]:
    """Move what a kubeconfig holds inline into files that are not on disk, where the system has such; their numbers.

    The client writes it into temporary files, a private key too. Those outlive a run that is killed.
    """
    from kubernetes.config import kube_config

    files = []
    if hasattr(os, "memfd_create"):
        for name in ("ssl_ca_cert", "cert_file", "key_file"):
            written = getattr(configuration, name)
            if written in kube_config._temp_files.values():
                files.append(os.memfd_create(name))
                with open(files[-1], "wb", closefd=False) as file:
                    file.write(Path(written).read_bytes())
                setattr(configuration, name, f"/proc/self/fd/{files[-1]}")
        kube_config._cleanup_temp_files()  # type: ignore[no-untyped-call]  # not annotated
    return files


def _first_line(error: Exception) -> str:
    """What is wrong and where, without the text around it, which may be a token."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"{getattr(error, 'problem', None) or 'not YAML'}, line {mark.line + 1}"
    return (str(error).splitlines() or [type(error).__name__])[0]


def _fingerprint(ca_file: str | None) -> str | None:
    """SHA-256 over the CA's certificates; for one certificate that is what openssl prints."""
    if not ca_file:
        return None
    try:
        blocks = Path(ca_file).read_text(encoding="ascii").split(END)[:-1]
        ders = [ssl.PEM_cert_to_DER_cert(BEGIN + block.rpartition(BEGIN)[2] + END) for block in blocks]
    except (OSError, ValueError):
        ders = []
    if not ders:
        raise PreflightError(f"the cluster's CA {ca_file} cannot be read: it should be certificates in PEM")
    return hashlib.sha256(b"".join(ders)).hexdigest()


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    """Catch what the client says to the root logger instead of raising it, a plugin's stderr included."""
    said: list[str] = []

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    catch = Catch(logging.ERROR)
    catch.addFilter(lambda record: record.module == "kube_config")
    logging.getLogger().addHandler(catch)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(catch)
