"""The document says what the server does, and its page is complete in itself."""

import base64
import hashlib
import re

from nsmc_bert.serving import openapi
from nsmc_bert.serving.bodies import Limits

DOCUMENT = openapi.document("nsmc", ("negative", "positive"), Limits())


def test_what_is_described_is_there(served):
    _, _, found = served.ask("GET", "/openapi.json")
    assert found == openapi.document("nsmc", ("negative", "positive"), Limits(10_000, 100, 500))
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody")
            value = body and body["content"]["application/json"]["example"]
            status, headers, _ = served.ask(method.upper(), path, value)
            assert str(status) in operation["responses"], path
            kinds = operation["responses"][str(status)]["content"]
            assert headers["content-type"].partition(";")[0] in kinds
            assert all(name.lower() in headers for name in operation["responses"]["200"].get("headers", ()))


def test_references_lead_somewhere():
    text = str(DOCUMENT)
    for kind, name in re.findall(r"'#/components/(\w+)/(\w+)'", text):
        assert name in DOCUMENT["components"][kind]


def test_the_page_asks_nobody_and_its_policy_lets_it(served):
    _, headers, content = served.ask("GET", "/docs")
    page = content.decode()
    assert page == openapi.page(served.ask("GET", "/openapi.json")[2])
    assert not re.search(r"(src|href)=\"(?!openapi\.json)|url\(|@import|https?://", page)
    assert " style=" not in page and not re.search(r"\son\w+=", page)
    for tag in ("style", "script"):
        (part,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'; ")
    for path in DOCUMENT["paths"]:
        assert path in page
