"""The page of a prediction, as a real browser shows it."""

import html
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import client_of
from server import REPOSITORY, Server

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
SHOTS = REPOSITORY / "target" / "browser"
BROWSER_SECONDS = 60

pytestmark = pytest.mark.browser


def browser() -> str:
    given = os.environ.get("COGWIRE_BROWSER")
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    assert found, f"no browser: install one of {', '.join(NAMES)}, or set COGWIRE_BROWSER"
    return found


def open_page(tmp_path: Path, *arguments: str) -> str:
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    done = subprocess.run([*command, profile, *arguments], capture_output=True, text=True, timeout=BROWSER_SECONDS, check=True)
    return done.stdout


def take_picture(tmp_path: Path, name: str, prediction) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    shot = SHOTS / name
    shot.unlink(missing_ok=True)
    open_page(tmp_path, "--window-size=1280,900", f"--screenshot={shot}", prediction.urls["web"])
    assert shot.read_bytes().startswith(b"\x89PNG")


def text_of(document: str) -> str:
    without_code = re.sub(r"<(script|style)\b.*?</\1>", " ", document, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without_code)).split())


def test_shows_the_prediction(client, tmp_path):
    prediction = client.predictions.create(model="acme/greeter", input={"name": "<b>Alice</b>"})
    prediction.wait()
    document = open_page(tmp_path, "--virtual-time-budget=2000", "--dump-dom", prediction.urls["web"])
    text = text_of(document)
    assert prediction.id in text
    assert "acme/greeter" in text
    assert "succeeded" in text
    assert "Hello, <b>Alice</b>!" in text
    assert "<b>Alice" not in document, "what users write is escaped"


def test_takes_a_picture(client, tmp_path):
    prediction = client.predictions.create(model="acme/greeter", input={"name": "Alice"})
    prediction.wait()
    take_picture(tmp_path, "prediction.png", prediction)


def test_says_what_a_prediction_waits_for(tmp_path):
    with Server("--max-running", "1") as server:
        client = client_of(server)
        before = client.predictions.create(model="zeke/chaos-monkey", input={"outcome": "hang"})
        prediction = client.predictions.create(model="acme/greeter", input={"name": "Alice"})
        text = text_of(open_page(tmp_path, "--virtual-time-budget=1000", "--dump-dom", prediction.urls["web"]))
        assert "acme/greeter starting" in text
        assert "Next to run when an instance is free." in text
        take_picture(tmp_path, "waiting.png", prediction)
        before.cancel()
        prediction.wait()
        assert prediction.status == "succeeded"


def test_the_page_is_closed_to_those_who_guess(client, http):
    prediction = client.predictions.create(model="acme/greeter", input={"name": "Alice"})
    page = prediction.urls["web"].partition("?")[0]
    assert http.get(page, headers={"Authorization": ""}).status_code in (401, 403, 404)
