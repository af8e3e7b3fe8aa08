"""Pages as a browser shows them."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True)
class Page:
    """What a page is made of once it is shown, and what it wrote to the console."""

    text: str
    console: list[str]


def look_at(address: str, *, profile: Path, picture: Path, width: int = 2000, height: int = 1300) -> Page:
    """The page at `address` in a window of this size, and a picture of it."""
    common = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        f"--user-data-dir={profile / 'profile'}",
        f"--window-size={width},{height}",
        "--virtual-time-budget=30000",
    ]
    subprocess.run([*common, f"--screenshot={picture}", address], capture_output=True, check=True, timeout=180)
    shown = subprocess.run([*common, "--dump-dom", address], capture_output=True, text=True, check=True, timeout=180)
    return Page(shown.stdout, re.findall(r"CONSOLE.*", shown.stderr))
