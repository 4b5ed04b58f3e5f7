"""Where a release answers, by the routes of its manifest."""

from typing import Any

import pytest

from deployer.plan.address import url


def ingress(*rules: dict[str, Any], tls: Any = None) -> dict[str, Any]:
    return {"kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": list(rules), "tls": tls}}


def rule(host: str, path: str = "/", kind: str = "Prefix") -> dict[str, Any]:
    return {"host": host, "http": {"paths": [{"path": path, "pathType": kind}]}}


def route(*hosts: str, path: str = "/", **parent: Any) -> dict[str, Any]:
    rules = [{"matches": [{"path": {"type": "PathPrefix", "value": path}}]}]
    spec = {"hostnames": list(hosts), "parentRefs": [{"name": "public", **parent}], "rules": rules}
    return {"kind": "HTTPRoute", "metadata": {"name": "web"}, "spec": spec}


def gateway(*listeners: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public"},
        "spec": {"listeners": list(listeners)},
    }


def service(*hosts: str, gateways: Any = ("istio-system/public",)) -> dict[str, Any]:
    spec = {"hosts": list(hosts), "gateways": gateways}
    return {"kind": "VirtualService", "metadata": {"name": "web"}, "spec": spec}


def istio(port: int, **tls: Any) -> dict[str, Any]:
    server = {"port": {"number": port, "protocol": "HTTPS" if tls else "HTTP"}, "hosts": ["web.example.com"], **tls}
    meta = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "web"}}
    return {**meta, "spec": {"servers": [server]}}


HTTP, HTTPS = (
    {"name": "http", "port": 80, "protocol": "HTTP"},
    {"name": "secure", "port": 443, "protocol": "HTTPS"},
)
SECURED = {"tls": {"mode": "SIMPLE", "credentialName": "web-tls"}}


@pytest.mark.parametrize(
    ("manifest", "found"),
    [
        ([], ""),
        ([{"kind": "Service", "metadata": {"name": "web"}}], ""),
        ([ingress(rule("web.example.com"))], "http://web.example.com"),
        ([ingress(rule("web.example.com", "/shop"))], "http://web.example.com/shop"),
        ([ingress(rule("web.example.com", "/shop(/|$)", "ImplementationSpecific"))], "http://web.example.com"),
        ([ingress({"host": "web.example.com"})], "http://web.example.com"),
        ([ingress(rule("web.example.com"), tls=[{"hosts": ["web.example.com"]}])], "https://web.example.com"),
        ([ingress(rule("web.example.com"), tls=[{"secretName": "all"}])], "https://web.example.com"),
        ([ingress(rule("web.example.com"), tls=[{"hosts": ["a.example.com"]}])], "http://web.example.com"),
        ([ingress(rule("*.example.com"), rule("b.example.com"))], "http://b.example.com"),
        ([ingress({"http": {"paths": []}})], ""),
        ([route("web.example.com")], "http://web.example.com"),
        ([route("web.example.com", path="/shop")], "http://web.example.com/shop"),
        ([route("web.example.com", port=443)], "https://web.example.com"),
        ([route("web.example.com", port=8090)], "http://web.example.com:8090"),
        ([route("web.example.com", sectionName="https")], "https://web.example.com"),
        ([gateway(HTTP, HTTPS), route("web.example.com")], "https://web.example.com"),
        ([gateway(HTTP, HTTPS), route("web.example.com", sectionName="secure")], "https://web.example.com"),
        ([gateway(HTTP, HTTPS), route("web.example.com", sectionName="http")], "http://web.example.com"),
        ([route()], ""),
        ([route("*.example.com")], ""),
        ([service("web.example.com", "web")], "http://web.example.com"),
        ([service("web", "web.shop.svc.cluster.local")], ""),
        ([service("web.example.com", gateways=["mesh"])], ""),
        ([service("web.example.com", gateways=None)], ""),
        ([istio(443, **SECURED), service("web.example.com", gateways=["web", "mesh"])], "https://web.example.com"),
        ([istio(8443, **SECURED), service("web.example.com", gateways=["web"])], "https://web.example.com:8443"),
        ([istio(80), service("web.example.com", gateways=["web"])], "http://web.example.com"),
        ([service("c.example.com"), route("b.example.com"), ingress(rule("a.example.com"))], "http://a.example.com"),
    ],
)
def test_where_it_answers(manifest: list[dict[str, Any]], found: str) -> None:
    assert url(manifest) == found
