"""The hub of `opsrun dev`: its address shows a waiting page until the hub is built."""

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
    <p>The API is running: <a href="/graphiql/">GraphiQL</a>.</p>
  </body>
</html>
"""  # noqa: E501 - a line of CSS
_WAITING = """<h1>The hub is being built</h1>
    <p role="status">This happens once, and after its sources change. This page will then show the
      hub.</p>
    <script src="/waiting.js"></script>"""
# A refresh in the markup may not reload the page if the address has a fragment.
_SCRIPT = "setTimeout(() => location.reload(), 2000);\n"
_FAILED = """<h1>The hub could not be built</h1>
    <pre>%s</pre>
    <p>To try again, restart <code>make dev</code>.</p>"""


class DevHub:
    """The hub that the API serves from `folder`, which is None without a hub."""

    def __init__(self, settings: Settings, data_folder: Path) -> None:
        """Decide whether the hub must be built; print a message if Node cannot build it."""
        self.folder = hub.hub_folder(settings)
        self.is_being_built = False
        if settings.hub_folder is not None or not must_be_built():
            return
        if (problem := lack_of_node()) is not None:
            click.echo(f"The hub is not built: {problem}. Everything else works.")
            return
        self.is_being_built = True
        self.folder = data_folder / "hub" / "served"
        self._page = self.folder.with_name("waiting")
        self._page.mkdir(parents=True, exist_ok=True)
        (self._page / "waiting.js").write_text(_SCRIPT)
        self._show(_WAITING)
        self._serve(self._page)

    async def build(self, log: Path) -> None:
        """Build the hub if necessary, and serve it. The terminal and the page show a failure."""
        if not self.is_being_built:
            return
        click.echo("Building the hub; this happens once, and after its sources change ...")
        try:
            await build_hub(log)
        except EmbeddedServerError as error:
            click.echo(f"The hub is not built; everything else works: {error}")
            self._show(_FAILED % escape(str(error)))
        else:
            self._serve(hub.FILES)
            click.echo("The hub is built; its address now shows it.")

    def _show(self, body: str) -> None:
        (self._page / "index.html").write_text(_PAGE % body)

    def _serve(self, folder: Path) -> None:
        """Let the link refer to another folder; the change is atomic."""
        assert self.folder is not None
        link = self.folder.with_name("next")
        link.unlink(missing_ok=True)
        link.symlink_to(folder.resolve())
        link.replace(self.folder)
