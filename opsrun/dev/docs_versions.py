"""What the versions of the documentation's site share: their list, and the way to the newest.

Each version has its folder and stays as it was built. Its pages read `versions.json`, which the
theme expects in this form, when they are opened; so old pages know of newer versions.
"""

import json
import shutil
from pathlib import Path

from packaging.version import InvalidVersion, Version

LATEST = "latest"
_TO_THE_LATEST = f"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="refresh" content="0; url={LATEST}/">
    <link rel="icon" href="data:,">
    <title>Opsrun</title>
  </head>
  <body><a href="{LATEST}/">Opsrun</a></body>
</html>
"""


def versions_in(target: Path) -> list[str]:
    """Return the versions that have a folder in `target`, newest first."""
    names = {}
    for page in target.glob("*/index.html"):
        try:
            names[Version(page.parent.name)] = page.parent.name
        except InvalidVersion:
            continue  # LATEST, or not ours
    return [names[version] for version in sorted(names, reverse=True)]


def newest_release(versions: list[str]) -> str:
    """Return the newest release or, if there is none, the newest pre-release."""
    return max(versions, key=lambda name: (not Version(name).is_prerelease, Version(name)))


def publish(target: Path) -> None:
    """Write what the versions in `target` share: `versions.json`, `latest/` and the root's page.

    `latest/` is a copy, so that addresses below it keep their anchors and serve programs too.
    """
    versions = versions_in(target)
    newest = newest_release(versions)
    entries = [
        {"version": name, "title": name, "aliases": [LATEST] if name == newest else []}
        for name in versions
    ]
    shutil.rmtree(target / LATEST, ignore_errors=True)
    shutil.copytree(target / newest, target / LATEST)
    (target / "versions.json").write_text(json.dumps(entries))
    (target / "index.html").write_text(_TO_THE_LATEST)
