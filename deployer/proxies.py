"""The proxy that the job's variables name for a URL, as docker, helm and git take it.

HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY count, in small letters too; a loopback address never goes by a proxy.
"""

import ipaddress
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError, ProxyError
from urllib3.util import parse_url

HINT = "see HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the job's variables"


class ProxyFailed(HTTPError):
    """The proxy refuses, or cannot be reached; it is named without its login."""


class Pool(urllib3.PoolManager):
    """A pool of urllib3's, each request of which goes by the proxy for its URL, a redirected one too.

    Raises ProxyFailed beside what urllib3 raises.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._settings = settings
        self._known: dict[str, _Through] = {}

    def urlopen(  # type: ignore[override]  # as PoolManager's own
        self, method: str, url: str, redirect: bool = True, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        """As urllib3's."""
        proxy = named(url)
        if proxy is None:
            return super().urlopen(method, url, redirect, **more)
        if proxy not in self._known:
            self._known.setdefault(proxy, _Through(self, proxy, self._settings))
        return self._known[proxy].urlopen(method, url, redirect, **more)


class _Through(urllib3.ProxyManager):
    def __init__(self, whole: Pool, proxy: str, settings: dict[str, Any]) -> None:
        address, headers = spoken(proxy)
        super().__init__(address, proxy_headers=headers, **settings)
        self._whole, self._named, self._word = whole, proxy, f"the proxy {urlsplit(address).netloc}"

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        if named(url) != self._named:  # it was redirected
            return self._whole.urlopen(method, url, redirect, **more)
        try:
            answer = super().urlopen(method, url, redirect, **more)
        except (ProxyError, MaxRetryError) as error:
            reason = error.reason if isinstance(error, MaxRetryError) else error
            if not isinstance(reason, ProxyError):
                raise
            raise failed(self._word, reason) from None
        if answer.status == 407:  # a tunnel's is a ProxyError
            raise ProxyFailed(f"{self._word} answers 407 Proxy Authentication Required")
        return answer


def failed(proxy: str, error: ProxyError) -> ProxyFailed:
    """What `proxy`, a word for it, has done: refused, or not answered."""
    said = str(error.original_error)
    if refused := re.search(r"Tunnel connection failed: (\d{3}.*)", said):
        return ProxyFailed(f"{proxy} answers {refused[1].strip()}")
    return ProxyFailed(f"{proxy} cannot be reached, {said.rpartition(': ')[2].rpartition('] ')[2].lower()}")


def named(url: str) -> str | None:
    """The proxy for a URL, as it is named; None where there is none. Raises LocationParseError as urllib3 does."""
    from urllib.request import getproxies, proxy_bypass  # slow to import, and nobody needs it for --version

    parts = parse_url(url)
    known = getproxies()
    proxy = known.get(parts.scheme or "") or known.get("all")
    host = (parts.host or "").strip("[]")
    if not proxy or host == "localhost" or _inside(host, known.get("no", "")) or proxy_bypass(parts.netloc or ""):
        return None
    return proxy


def _inside(host: str, rules: str) -> bool:
    """Whether an address is this machine's own, or in a network that needs no proxy (10.0.0.0/8)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    networks = []
    for rule in filter(None, map(str.strip, rules.split(","))):
        try:
            networks.append(ipaddress.ip_network(rule, strict=False))
        except ValueError:  # a name
            continue
    return address.is_loopback or any(address in network for network in networks)


def spoken(proxy: str) -> tuple[str, dict[str, str]]:
    """A proxy's URL without the login in it, and the headers that bring that. Raises LocationValueError for no URL."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise LocationValueError("the proxy in the job's variables is no URL of http or https")
    login = parts.netloc.rpartition("@")[0]
    # latin-1 is what make_headers writes: byte for byte what stands in the URL
    headers = urllib3.make_headers(proxy_basic_auth=unquote(login, encoding="latin-1")) if login else {}
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else ""), headers
