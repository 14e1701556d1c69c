"""The hub in `opsrun dev`: its address works at once, and shows the hub once that is built."""

from html import escape
from pathlib import Path

import click

from opsrun.api import hub
from opsrun.dev.embedded import EmbeddedServerError
from opsrun.dev.hub_build import build_hub, lack_of_node, must_be_built
from opsrun.settings import Settings

_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Opsrun</title>
    <link rel="icon" href="data:,">
    <style>
      :root { color-scheme: light dark; }
      body { font: 1.1rem/1.5 system-ui, sans-serif; margin: 20vh auto; max-width: 34rem; padding: 0 1rem; }
      pre { overflow-x: auto; font-size: 0.85rem; }
    </style>
  </head>
  <body>
    %s
    <p>The API answers already: <a href="/graphiql/">GraphiQL</a>.</p>
  </body>
</html>
"""  # noqa: E501 - a line of CSS
_WAITING = """<h1>The hub is being built</h1>
    <p role="status">This happens once, and when its sources change. The page shows the hub as soon
      as it is there.</p>
    <script src="/waiting.js"></script>"""
# Not a refresh by the markup: with a fragment in the address, that need not load the page again.
_SCRIPT = "setTimeout(() => location.reload(), 2000);\n"
_FAILED = """<h1>The hub could not be built</h1>
    <pre>%s</pre>
    <p>Start <code>make dev</code> again to repeat it.</p>"""


class DevHub:
    """What the API serves as the hub; None in `folder` when there is nothing to serve."""

    def __init__(self, settings: Settings, data_folder: Path) -> None:
        """Decide whether the hub has to be built, and say so when Node is missing."""
        self.folder = hub.hub_folder(settings)
        self.is_being_built = settings.hub_folder is None and must_be_built()
        if self.is_being_built and (lack := lack_of_node()) is not None:
            click.echo(f"The hub is not built: {lack}. All else works.")
            self.is_being_built = False
        if self.is_being_built:
            self.folder = data_folder / "hub" / "served"
            self._page = self.folder.with_name("waiting")
            self._page.mkdir(parents=True, exist_ok=True)
            (self._page / "waiting.js").write_text(_SCRIPT)
            self._show(_WAITING)
            self._serve(self._page)

    async def build(self, log: Path) -> None:
        """Build the hub if that is necessary, then serve it; a failure is shown and printed."""
        if not self.is_being_built:
            return
        click.echo("Building the hub; this happens once, and when its sources change ...")
        try:
            await build_hub(log)
        except EmbeddedServerError as error:
            click.echo(f"The hub is not built, all else works: {error}")
            self._show(_FAILED % escape(str(error)))
        else:
            self._serve(hub.BUILD)
            click.echo("The hub is built; its address shows it now.")

    def _show(self, body: str) -> None:
        (self._page / "index.html").write_text(_PAGE % body)

    def _serve(self, folder: Path) -> None:
        """Let the link lead to another folder, without a moment in which it leads nowhere."""
        assert self.folder is not None
        link = self.folder.with_name("next")
        link.unlink(missing_ok=True)
        link.symlink_to(folder.resolve())
        link.replace(self.folder)
