"""The page can be installed as an app, as Chromium sees it."""

import json
from typing import Any

from playwright.sync_api import Playwright

from tests.running import Running
from tests.ui.conftest import launched


def test_chromium_would_install_it(server: Running, playwright: Playwright):
    # The build without a window does not look whether it could.
    with launched(playwright, program="chromium") as browser:
        page = browser.new_page()
        address = f"http://127.0.0.1:{server.port}/"
        page.goto(address)
        devtools: Any = page.context.new_cdp_session(page)
        told: dict[str, Any] = devtools.send("Page.getAppManifest")
        assert told["errors"] == []
        errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        # A browser of a test keeps nothing.
        assert [error["errorId"] for error in errors] == ["in-incognito"]
        manifest = json.loads(told["data"])
        assert manifest["name"] == "小智·Zero"
        assert (manifest["display"], manifest["start_url"], manifest["lang"]) == (
            "standalone",
            "/",
            "zh-CN",
        )
        for icon in manifest["icons"]:
            answer = page.request.get(f"{address}app/static/{icon['src']}")
            assert answer.ok
            assert answer.headers["content-type"].startswith(icon["type"])
        answer = page.request.get(told["url"])
        assert answer.headers["content-type"].split(";")[0] in (
            "application/json",
            "application/manifest+json",
        )
