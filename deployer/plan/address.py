"""Where a release answers, for people: the URL of its first route from outside. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

PLAIN = ("Prefix", "Exact", "PathPrefix")
"""Types of a path that a person can open as it stands."""

USUAL = {"http": (None, 80), "https": (None, 443)}
"""Ports that a URL need not name."""


def url(manifest: Sequence[Object]) -> str:
    """Of the first host of an Ingress, an HTTPRoute or a VirtualService, in this order; empty where there is none.

    https where the Ingress or a Gateway of the release has TLS, or the route is bound to an https listener. The Gateway
    of somebody else is not looked at: then its listener's name and port are all that is known.
    """
    for find in (_ingress, _http_route, _virtual_service):
        for one in find(manifest):
            return one
    return ""


def _ingress(manifest: Sequence[Object]) -> Iterator[str]:
    for spec in _specs(manifest, "Ingress"):
        secured = spec.get("tls") or ()
        for rule in spec.get("rules") or ():
            host = str(rule.get("host") or "")
            if _named(host):
                tls = any(host in (one.get("hosts") or (host,)) for one in secured)
                paths = (rule.get("http") or {}).get("paths") or ()
                yield _made("https" if tls else "http", host, _path(paths[0], "pathType") if paths else "")


def _http_route(manifest: Sequence[Object]) -> Iterator[str]:
    own = {str(one["metadata"]["name"]): one for one in manifest if _of(one, "Gateway", "gateway.networking.k8s.io")}
    for spec in _specs(manifest, "HTTPRoute"):
        matches = [match for rule in spec.get("rules") or () for match in rule.get("matches") or ()]
        path = _path((matches[0].get("path") or {}) if matches else {}, "type")
        scheme, port = _listener((spec.get("parentRefs") or ({},))[0], own)
        yield from (_made(scheme, host, path, port) for host in spec.get("hostnames") or () if _named(host))


def _listener(parent: Object, own: Mapping[str, Object]) -> tuple[str, int | None]:
    """Scheme and port of what a route is bound to."""
    gateway = own.get(str(parent.get("name")))
    listeners = ((gateway or {}).get("spec") or {}).get("listeners") or ()
    section, port = parent.get("sectionName"), parent.get("port")
    fitting = [one for one in listeners if section in (None, one.get("name")) and port in (None, one.get("port"))]
    for one in sorted(fitting, key=lambda one: one.get("protocol") != "HTTPS"):
        return ("https" if one.get("protocol") == "HTTPS" else "http"), one.get("port")
    return ("https" if port == 443 or "https" in str(section or "").lower() else "http"), port


def _virtual_service(manifest: Sequence[Object]) -> Iterator[str]:
    """Only where a gateway leads to it: `mesh`, as by default, is for callers inside."""
    own = {str(one["metadata"]["name"]): one for one in manifest if _of(one, "Gateway", "networking.istio.io")}
    for spec in _specs(manifest, "VirtualService"):
        gateways = [str(one) for one in spec.get("gateways") or () if one != "mesh"]
        servers = [one for name in gateways if name in own for one in own[name]["spec"].get("servers") or ()]
        secured = sorted(servers, key=lambda one: not one.get("tls"))
        scheme = "https" if secured and secured[0].get("tls") else "http"
        port = (secured[0].get("port") or {}).get("number") if secured else None
        hosts = [str(one) for one in spec.get("hosts") or ()] if gateways else []
        yield from (_made(scheme, host, "", port) for host in hosts if "." in host and _named(host))


def _specs(manifest: Sequence[Object], kind: str) -> Iterator[Object]:
    yield from (one.get("spec") or {} for one in manifest if one.get("kind") == kind)


def _of(item: Object, kind: str, group: str) -> bool:
    return item.get("kind") == kind and str(item.get("apiVersion")).startswith(f"{group}/")


def _named(host: str) -> bool:
    """Whether it is one host, and outside: no wildcard, and no name of the cluster's."""
    return bool(host) and "*" not in host and not host.endswith((".svc", ".svc.cluster.local"))


def _path(given: Object, kind: str) -> str:
    return str(given.get("path") or given.get("value") or "") if given.get(kind) in PLAIN else ""


def _made(scheme: str, host: str, path: str, port: int | None = None) -> str:
    at = "" if port in USUAL[scheme] else f":{port}"
    return f"{scheme}://{host}{at}{path if path != '/' else ''}"
