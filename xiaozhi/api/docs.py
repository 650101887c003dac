"""/openapi.json and /docs: the API described for programs, and for people in their browser.

Both open without a key, as whoever reads them may not have one yet; calls made from the page need
it. The page is Swagger UI in one piece and loads nothing, from here or elsewhere, but the
description.
"""

import base64
import hashlib
import json
from functools import cache
from importlib import resources

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from xiaozhi.api import answers
from xiaozhi.api.openapi import openapi

OPEN = ("/openapi.json", "/docs")

# Without validatorUrl it would ask a public service whether the description is valid.
START = """
SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: true,
  validatorUrl: null, docExpansion: "list", showExtensions: true,
  defaultModelsExpandDepth: 0
})
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>{script}</script>
<script>{start}</script>
</body>
</html>
"""


def add_docs(app: FastAPI) -> None:
    # Not coroutines: Starlette runs them on a thread, as both take a while the first time.
    @cache
    def description() -> str:
        return json.dumps(openapi(app), ensure_ascii=False)

    @cache
    def page() -> tuple[str, str]:
        script, style = _asset("swagger-ui-bundle.js"), _asset("swagger-ui.css")
        text = PAGE.format(title=app.title, style=style, script=script, start=START)
        return text, _policy(script, START)

    def openapi_json(_request: Request) -> Response:
        return answers.answer(description())

    def docs(_request: Request) -> Response:
        text, policy = page()
        return HTMLResponse(text, headers={"content-security-policy": policy})

    app.add_route("/openapi.json", openapi_json, include_in_schema=False)
    app.add_route("/docs", docs, include_in_schema=False)


def _asset(name: str) -> str:
    # A package of Swagger UI's files; what else it does is not used.
    return (resources.files("fastapi_swagger") / "resources" / name).read_text("utf-8")


def _policy(*scripts: str) -> str:
    """Only these scripts run, and nothing is loaded from another origin."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
