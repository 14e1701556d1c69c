"""`client-examples/web-hub` in a browser, with a real installation."""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Route, expect

from domain.tenancy.administration import save_member, save_tenant
from domain.tenancy.providers import CredentialKind, GraphSettings
from domain.tenancy.roles import TenantRole
from gql.ids import GlobalId
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.acts import claim, export, policy
from tests.clients.browser import Visitor, chromium, faults, go
from tests.clients.conftest import Line, Product
from tests.groups import store_groups
from tests.nodejs import CHROMIUM, needs_node
from tests.opsrun.api.test_serving import api
from tests.opsrun.commands import running, until
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import no_policy_can_be_stored
from tests.world import SCOPE, World

pytestmark = [
    needs_node,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, as Debian's package of that name"),
]

SYNC = f"Sync {SCOPE}"


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def api_settings(web_hub: Path) -> dict[str, str]:
    """Have the API serve the hub."""
    return {"HUB_FOLDER": str(web_hub / "build")}


@pytest.fixture
async def visitor(browser: Browser, product: Product) -> AsyncIterator[Visitor]:
    async with Visitor.comes(browser, product.url) as visitor:
        yield visitor


@pytest.fixture
async def page(visitor: Visitor, place: World) -> Page:
    """The hub's first page, as an operator."""
    return await visitor.open("/", place.token())


async def offer(place: World, *policies: dict[str, Any]) -> None:
    """Export exactly these policies in the scope, and make the scope known."""
    export(place, *policies)
    await place.maintenance().find_scopes()


def rows(page: Page, text: str = "") -> Locator:
    """The runs of the page's first table."""
    return page.locator("tr[data-run]", has_text=text)


async def sync(page: Page, ended: int, outcome: str = "Succeeded") -> None:
    """Sync the scope from its page; wait until the page shows this many syncs with this result."""
    await go(page, "Inventory")
    await page.get_by_role("button", name=SYNC).click()
    await expect(rows(page, outcome)).to_have_count(ended)


async def test_the_code_of_a_dev_address_signs_in(
    visitor: Visitor, place: World, product: Product
) -> None:
    codes: list[str | None] = []

    async def sign_in(route: Route) -> None:
        codes.append(await route.request.header_value("authorization"))
        tokens = [place.token(role) for role in (TenantRole.OWNER, TenantRole.READONLY)]
        await route.fulfill(json={"tokens": tokens})

    await visitor.context.route("**/demo/sign-in", sign_in)
    hub = await visitor.open("/")
    # The tab already shows the hub, so only the fragment changes.
    await hub.goto(f"{product.url}/#demo=abc")
    await expect(hub.get_by_role("heading", name="Operations", exact=True)).to_be_visible()
    await expect(hub.get_by_text(place.members[TenantRole.OWNER].name).first).to_be_visible()
    assert hub.url == f"{product.url}/t/{place.slug}/operations"
    graphiql = await visitor.open("/graphiql/")
    await graphiql.goto(f"{product.url}/graphiql/#demo=abc")
    signed_in = f"Signed in as {place.members[TenantRole.OWNER].name}"
    await expect(graphiql.locator("#who")).to_contain_text(signed_in)
    assert graphiql.url == f"{product.url}/graphiql/"
    assert codes == ["Demo abc", "Demo abc"]


async def test_a_code_that_the_server_refuses_leads_to_the_sign_in(
    visitor: Visitor, product: Product
) -> None:
    hub = await visitor.open("/")
    await hub.goto(f"{product.url}/#demo=stale")
    await expect(hub.get_by_role("heading", name="Sign in to Opsrun")).to_be_visible()
    await expect(hub).to_have_url(f"{product.url}/")
    graphiql = await visitor.open("/graphiql/")
    await graphiql.goto(f"{product.url}/graphiql/#demo=stale")
    await expect(graphiql.locator("#who")).to_contain_text("Not signed in")
    await expect(graphiql).to_have_url(f"{product.url}/graphiql/")


async def test_two_syncs_and_a_comparison_lead_to_findings(page: Page, place: World) -> None:
    await offer(place, policy("a", passwordRequired=False), policy("gone"))
    await expect(page.get_by_text("Nothing ran in the last 30 days")).to_be_visible()
    await sync(page, ended=1)
    await expect(page.get_by_text("Policies are read from a folder of exports.")).to_be_visible()
    await expect(page.get_by_role("region", name=SCOPE)).to_contain_text("2 policies")
    await offer(place, policy("a", passwordRequired=True), policy("new"))
    await sync(page, ended=2)

    await go(page, "Drift")
    await page.get_by_role("button", name=f"Compare {SCOPE}").click()
    await expect(
        page.get_by_role("heading", name=f"Drift in 3 policies of {SCOPE}")
    ).to_be_visible()
    await expect(rows(page)).to_contain_text("1 modified, 1 added, 1 removed")
    compared = page.get_by_role("link", name=re.compile("^sync of "))
    await expect(compared).to_have_count(2)
    await go(page, "Operations")
    await expect(rows(page)).to_have_count(3)
    await expect(rows(page, "Generate drift")).to_contain_text("1 modified, 1 added, 1 removed")
    await expect(page.get_by_role("status").filter(has_text="3 operations")).to_be_visible()
    await expect(page.get_by_role("group", name="Status")).to_contain_text("Succeeded 3")

    await page.get_by_role("link", name="Generate drift").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Generate drift ({SCOPE})")
    for kind, name in (("Added", "new"), ("Removed", "gone"), ("Modified", "a")):
        button = page.get_by_role("button", name=re.compile(f"^{kind} Policy {name} "))
        await expect(button).to_be_visible()
    await page.get_by_role("button", name=re.compile("^Modified")).click()
    difference = page.get_by_role("figure").filter(has_text="passwordRequired")
    await expect(difference.locator("del")).to_have_text("− false")
    await expect(difference.locator("ins")).to_have_text("+ true")

    await page.locator("label", has_text="Removed").click()
    await expect(page.get_by_role("button", name=re.compile("Policy "))).to_have_count(1)


async def test_a_running_run_says_why_it_waits(visitor: Visitor, place: World) -> None:
    reason = "Microsoft Graph limits requests."
    execution = await claim(place, (await place.start()).run.id)
    run_id = GlobalId("OperationRun", place.tenant_id, execution.run.id.hex).encode()
    page = await visitor.open(f"/t/{place.slug}/operations/{run_id}", place.token())
    await expect(page.get_by_text("A worker is on it.")).to_be_visible()
    waiting = asyncio.create_task(execution.wait(600, reason))
    await expect(page.get_by_text(reason)).to_be_visible()
    waiting.cancel()


async def test_groups_are_searched_and_show_their_members(visitor: Visitor, place: World) -> None:
    settings = GraphSettings(
        tenant="contoso.example",
        client="an-app",
        credential=CredentialKind.SECRET,
        reference="env:NO_SUCH_VARIABLE",
    )
    transactions = place.resources[Login.MAINTENANCE].transactions
    await save_tenant(transactions, place.slug, "Graph", settings)
    await store_groups(place, {"1": ("Pilots", {"ada": "USER", "pc": "DEVICE"}), "2": ("All", {})})
    page = await visitor.open("/", place.token())
    await go(page, "Groups")
    table = page.get_by_role("table", name="Groups")
    await expect(table.get_by_role("row")).to_have_count(3)
    await page.get_by_label("Name contains").fill("pil")
    await expect(table.get_by_role("row")).to_have_count(2)
    await table.get_by_role("link", name="Pilots").click()
    await expect(page.get_by_role("heading", name="2 members")).to_be_visible()
    await expect(page.get_by_role("table", name="Members")).to_contain_text("Device")

    # This worker cannot sign in; the run says why, and the groups stay.
    await go(page, "Groups")
    await page.get_by_role("button", name="Sync groups").click()
    await rows(page, "Failed").get_by_role("link").click()
    await expect(page.get_by_text("env:NO_SUCH_VARIABLE").first).to_be_visible()


async def test_its_registered_documents_run_where_only_registered_ones_may(
    browser: Browser,
    product: Product,
    place: World,
    installation: Installation,
    web_hub: Path,
    api_settings: dict[str, str],
) -> None:
    await offer(place, policy("a"))
    arguments = ("documents", "add", "build/persisted-documents.json")
    variables = installation.environment(Login.MAINTENANCE)
    async with api(installation, TRUSTED_DOCUMENTS="required", **api_settings) as (_, url):
        async with Visitor.comes(browser, url) as visitor:
            page = await visitor.open("/", place.token())
            refusal = "Only registered documents run here"
            await expect(page.get_by_text(refusal).first).to_be_visible()
        async with running(*arguments, environment=variables, folder=web_hub) as opsrun:
            assert await opsrun.ends() == 0, opsrun.output
        async with Visitor.comes(browser, url) as visitor:
            page = await visitor.open("/", place.token())
            await sync(page, ended=1)
            await go(page, "Operations")
            await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
            await rows(page).get_by_role("link").first.click()
            await expect(page.get_by_role("heading", level=1)).to_contain_text(SCOPE)
            for name in ("Drift", "Backup sets", "Inventory"):
                await go(page, name)
            await expect(page.get_by_text(refusal)).to_have_count(0)


async def test_rows_enter_change_and_leave_without_new_queries(
    visitor: Visitor, page: Page, place: World, servers: EmbeddedServers
) -> None:
    await offer(place, *(policy(str(number)) for number in range(35)))
    running = await visitor.open(f"/t/{place.slug}/operations?status=RUNNING")
    await expect(running.get_by_text("No operation matches the filter")).to_be_visible()
    await expect(running.get_by_role("status").filter(has_text="Live")).to_be_visible()
    await expect(page.get_by_text("Nothing ran")).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()

    async def all_pages_were_read() -> bool:
        """Each list reads its page once at first, and again when its feed begins.

        Each of the two pages of operations has one list, and the page of scopes has three.
        """
        return visitor.queries.count("RunsPage") == (2 + 3) * 2

    async with no_policy_can_be_stored(servers) as lock:
        starting = await visitor.open(f"/t/{place.slug}/inventory")
        await expect(starting.get_by_role("button", name=SYNC)).to_be_visible()
        await until(all_pages_were_read)
        visitor.queries.clear()
        await starting.get_by_role("button", name=SYNC).click()

        for watching in (page, running):
            row = rows(watching, "Running")
            await expect(row).to_contain_text("0 of 35")
            await expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0")
        await expect(running.get_by_role("group", name="Status")).to_contain_text("Running 1")
        await lock.execute("ROLLBACK")

    await expect(rows(page, "Succeeded")).to_contain_text("35 of 35")
    await expect(rows(running)).to_have_count(0)
    await expect(running.get_by_role("group", name="Status")).to_contain_text("Succeeded 1")
    assert "RunFacets" in visitor.queries
    assert "RunsPage" not in visitor.queries


async def test_a_failure_is_followed_from_its_notification(page: Page, place: World) -> None:
    broken = [{"id": f"broken-{number:02}"} for number in range(25)]
    await offer(place, policy("a"), *broken)
    await sync(page, ended=1, outcome="Partially succeeded")
    toast = page.get_by_role("alert").filter(has_text="partially succeeded")
    await toast.get_by_role("link", name="View run").click()

    await expect(page.get_by_role("heading", name="25 failures")).to_be_visible()
    group = page.get_by_role(
        "button", name=re.compile("^25 A required part of the policy is missing")
    )
    await expect(group).to_contain_text("Export the policies again, then sync again.")
    await expect(group).to_contain_text("Before that, starting again will not help.")
    await group.click()
    failures = page.get_by_role("table").locator("tbody tr")
    await expect(failures).to_have_count(20)
    await expect(failures.first).to_contain_text("broken-00.json")
    await page.get_by_role("button", name="Show more of 25").click()
    await expect(failures).to_have_count(25)

    bell = page.get_by_role("button", name=re.compile("^Notifications"))
    await expect(bell).to_have_accessible_name("Notifications, 1 unread")
    await bell.click()
    await page.get_by_role("button", name="Mark all as read").click()
    await expect(bell).to_have_accessible_name("Notifications")


async def test_it_shows_the_final_state_after_the_api_was_restarted(
    browser: Browser, line: Line, place: World
) -> None:
    base = line.environment["OPSRUN_URL"].removesuffix("/graphql")
    await place.maintenance().find_scopes()
    async with Visitor.comes(browser, base) as visitor:
        page = await visitor.open(f"/t/{place.slug}/inventory", place.token())
        await page.get_by_role("button", name=SYNC).click()
        other = await visitor.open(f"/t/{place.slug}/operations")
        await rows(page, "Running").get_by_role("link").click()
        progress = page.get_by_role("region", name="Progress")
        await expect(progress.get_by_text("0 of 335 done", exact=True)).to_be_visible()
        await expect(rows(other, "Running")).to_be_visible()
        for watching in (page, other):
            await watching.evaluate("window.isTheSame = true")

        await line.fail("restart")
        for watching in (page, other):
            await expect(watching.get_by_role("status", name="Reconnecting")).to_be_visible()
        await line.restore()

        await expect(page.get_by_text("335 of 335 succeeded", exact=True).first).to_be_visible()
        await expect(page.get_by_role("heading", level=1).locator("..")).to_contain_text(
            "Succeeded"
        )
        await expect(rows(other, "Succeeded")).to_contain_text("335 of 335")
        for watching in (page, other):
            await expect(watching.get_by_role("status").filter(has_text="Live")).to_be_visible()
            assert await watching.evaluate("window.isTheSame")


async def test_a_scope_shows_why_it_cannot_be_compared_yet(page: Page, place: World) -> None:
    await offer(place, policy("a"))
    await go(page, "Drift")
    scope = page.get_by_role("region", name=SCOPE)
    compare = scope.get_by_role("button", name=f"Compare {SCOPE}")
    await expect(compare).to_be_disabled()
    await expect(scope).to_contain_text("Needs two complete syncs, has none.")
    await sync(page, ended=1)
    await sync(page, ended=2)
    await go(page, "Drift")
    await expect(scope).to_contain_text("Last comparedNever")
    await compare.click()
    await expect(scope).to_contain_text("just now: No changes")


async def test_an_empty_scope_is_synced_after_confirmation(page: Page, place: World) -> None:
    await offer(place, policy("a"))
    await sync(page, ended=1)
    (place.exports / SCOPE / "a.json").unlink()
    as_empty = page.get_by_role("button", name="Sync as empty")
    await expect(as_empty).to_have_count(0)
    await sync(page, ended=1, outcome="Failed")
    await as_empty.click()
    dialog = page.get_by_role("dialog", name=f"Is {SCOPE} empty?")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)
    await expect(rows(page)).to_have_count(2)
    await as_empty.click()
    await dialog.get_by_role("button", name="Sync as empty").click()
    await expect(rows(page, "Succeeded")).to_have_count(2)
    await expect(as_empty).to_have_count(0)


async def test_a_wrong_link_leads_back(
    visitor: Visitor, page: Page, place: World, installed: dict[Login, Resources], tmp_path: Path
) -> None:
    other = await World.create(installed, tmp_path / "other")
    foreign = await other.start()
    transactions = installed[Login.MAINTENANCE].transactions
    joined = await World.create(installed, tmp_path / "joined")
    await save_member(
        transactions, joined.slug, place.members[TenantRole.OPERATOR], TenantRole.READONLY
    )
    elsewhere = await joined.start()
    gone = GlobalId("OperationRun", place.tenant_id, uuid4().hex).encode()
    runs = [
        GlobalId("OperationRun", run.tenant_id, run.id.hex).encode()
        for run in (foreign.run, elsewhere.run)
    ]
    for path, title, back in (
        (f"/t/{place.slug}/nowhere", "Page not found", "Go to the operations"),
        ("/nowhere", "Page not found", "Go to the start page"),
        ("/t/nowhere/operations", "Tenant not found", "Go to your first tenant"),
        *(
            (f"/t/{place.slug}/operations/{run}", "Operation not found", "Go to all operations")
            for run in ("rubbish", gone, *runs)
        ),
    ):
        await page.goto(visitor.base + path)
        await expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        await page.get_by_role("link", name=back).click()
        await expect(page.get_by_role("heading", name="Operations", exact=True)).to_be_visible()


def note_refusal(refused: list[str], message: ConsoleMessage) -> None:
    """Record the browser's errors about violations of the page's policy."""
    if "Content Security Policy" in message.text:
        refused.append(message.text)


async def test_the_first_paint_is_a_shell_under_the_policy(
    browser: Browser, product: Product
) -> None:
    schemes: list[tuple[Literal["light", "dark"], str]] = [
        ("light", "rgb(255, 255, 255)"),
        ("dark", "rgb(36, 36, 36)"),
    ]
    for scheme, colour in schemes:
        async with Visitor.comes(browser, product.url, scheme=scheme) as visitor:
            page = await visitor.context.new_page()
            refused: list[str] = []
            page.on("console", partial(note_refusal, refused))
            await page.route("**/assets/*.js", lambda route: route.abort())
            await page.goto(product.url)
            await expect(page.get_by_text("Opsrun", exact=True)).to_be_visible()
            await expect(page.locator("body")).to_have_css("background-color", colour)
            assert refused == []


async def test_a_reader_can_look_but_not_start(visitor: Visitor, place: World) -> None:
    await offer(place, policy("a"))
    page = await visitor.open("/", place.token(TenantRole.READONLY))
    for name in ("Inventory", "Drift"):
        await go(page, name)
        await expect(page.get_by_role("alert")).to_contain_text("Your role READONLY may not do")
        await expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
    await go(page, "Backup sets")
    await expect(page.get_by_text("A manager or an owner of the tenant can")).to_be_visible()
    await expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)


async def test_a_backup_set_is_created_and_filled(visitor: Visitor, place: World) -> None:
    await offer(place, policy("a"), policy("b"))
    page = await visitor.open("/", place.token(TenantRole.MANAGER))
    await sync(page, ended=1)
    await go(page, "Backup sets")
    name = page.get_by_label("New backup set")
    for _ in range(2):
        await name.fill("Before the move")
        await page.get_by_role("button", name="Create").click()
        await expect(page.get_by_role("link", name="Before the move")).to_be_visible()
    await expect(page.locator("form")).to_contain_text("Choose another name")

    await page.get_by_role("link", name="Before the move").click()
    await page.get_by_label("Policy a").check()
    await page.get_by_role("button", name="Add 1 policy").click()
    await expect(rows(page, "Succeeded")).to_contain_text("1 of 1")
    held = page.get_by_role("table").last
    await expect(held.get_by_role("row")).to_have_count(2)
    await expect(held).to_contain_text("Policy a")
    await page.get_by_label("Policy a").check()
    await page.get_by_role("button", name="Add 1 policy").click()
    await expect(rows(page, "0 of 1 succeeded, 1 skipped")).to_have_count(1)
    await rows(page, "1 skipped").get_by_role("link").click()
    await expect(page.get_by_role("link", name="Before the move")).to_be_visible()
    title = "Add policies to a backup set (Before the move)"
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    skipped = page.get_by_role("table", name="Skipped items").get_by_role("row").last
    await expect(skipped).to_contain_text(re.compile(f"{SCOPE}/a.*already", re.IGNORECASE))


async def test_a_filter_is_in_the_address(visitor: Visitor, page: Page, place: World) -> None:
    await offer(place, policy("a"))
    await sync(page, ended=1)
    await go(page, "Operations")
    await page.locator("label", has_text="Failed").last.click()
    await expect(page).to_have_url(re.compile(r"\?status=FAILED$"))
    await expect(page.get_by_text("No operation matches the filter")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    await page.get_by_role("combobox", name="Type").click()
    await page.get_by_role("option", name="Sync an inventory (1)").click()
    await page.keyboard.press("Escape")
    await page.get_by_label("Created").select_option("Last hour")
    await page.get_by_role("combobox", name="Started by").click()
    await page.get_by_role("option", name=re.compile(r"^A operator .*\(1\)$")).click()
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(re.compile(r"\?type=inventory\.sync&by=[\w-]+&range=1h$"))

    shared = await visitor.open(page.url.removeprefix(visitor.base))
    await expect(rows(shared)).to_have_count(1)
    await expect(shared.get_by_label("Created")).to_have_value("1h")
    await rows(shared).get_by_role("link").click()
    await shared.get_by_role("link", name="All operations").click()
    await expect(shared).to_have_url(page.url)


async def test_a_copied_link_leads_to_the_run(page: Page, place: World) -> None:
    await offer(place, policy("a"))
    await sync(page, ended=1)
    await rows(page).get_by_role("link").click()
    await page.get_by_role("button", name="Copy link").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == page.url


async def test_a_user_switches_accounts_and_tenants(
    visitor: Visitor, place: World, installed: dict[Login, Resources], tmp_path: Path
) -> None:
    other = await World.create(installed, tmp_path / "other")
    transactions = installed[Login.MAINTENANCE].transactions
    owner = place.members[TenantRole.OWNER]
    await save_member(transactions, other.slug, owner, TenantRole.READONLY)
    page = await visitor.open("/", place.token(TenantRole.OWNER), place.token())
    account = page.get_by_role("button", name="A owner")
    tenant = page.get_by_label("Tenant", exact=True)
    for slug, role in ((place.slug, "Owner"), (other.slug, "Readonly")):
        await tenant.select_option(f"Tenant {slug}")
        await expect(page).to_have_url(re.compile(f"/t/{slug}/operations$"))
        await expect(account).to_have_accessible_name(re.compile(f" · {role}$"))

    await account.click()
    await page.get_by_role("menuitem", name="A operator").click()
    await expect(
        page.get_by_role("button", name=re.compile("^A operator .* · Operator$"))
    ).to_be_visible()
    await page.goto(f"{visitor.base}/t/{other.slug}/operations")
    await expect(page.get_by_text(f"There is no tenant “{other.slug}”")).to_be_visible()

    await page.get_by_role("button", name="A operator").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in to Opsrun")).to_be_visible()


async def test_a_user_without_a_valid_token_must_sign_in(visitor: Visitor, place: World) -> None:
    page = await visitor.open(f"/t/{place.slug}/operations")
    token = page.get_by_label("Bearer token")
    await token.fill("rubbish")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("This is not a valid token, or it has expired.")).to_be_visible()
    good = place.token()
    await token.fill(good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("You are signed out")
    await page.get_by_role("button", name="Sign in again").click()
    await token.fill(good)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Operations")).to_be_visible()


async def test_it_shows_when_it_is_offline_and_reconnects(visitor: Visitor, page: Page) -> None:
    live = page.get_by_role("status").filter(has_text="Live")
    await expect(live).to_be_visible()
    await visitor.context.set_offline(True)
    await expect(page.get_by_role("status", name="Offline")).to_be_visible()
    await visitor.context.set_offline(False)
    await expect(live).to_be_visible()


async def test_it_shows_when_the_api_does_not_respond_and_retries(page: Page) -> None:
    await expect(page.get_by_text("Nothing ran")).to_be_visible()
    await page.route("**/graphql", lambda route: route.abort())
    await page.get_by_role("link", name="Backup sets").click()
    await expect(page.get_by_role("main").get_by_role("status", name="Loading")).to_be_visible()
    await expect(page.get_by_role("alert")).to_contain_text("Opsrun does not answer")
    await page.unroute("**/graphql")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("No backup sets")).to_be_visible()


async def test_it_works_with_the_keyboard_alone(page: Page, place: World) -> None:
    await offer(place, policy("a"))
    await sync(page, ended=1)
    await go(page, "Operations")
    await page.reload()
    await expect(rows(page)).to_have_count(1)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    queued = page.get_by_role("checkbox", name="Queued")
    await page.keyboard.press("Space")
    await expect(queued).to_be_checked()
    await expect(page).to_have_url(re.compile(r"\?status=QUEUED"))
    await page.keyboard.press("Space")
    await expect(queued).not_to_be_checked()
    await expect(rows(page)).to_have_count(1)
    link = rows(page).get_by_role("link")
    while not await link.evaluate("link => link === document.activeElement"):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=f"Sync an inventory ({SCOPE})")).to_be_visible()


async def test_on_a_phone_a_button_opens_the_navigation(
    browser: Browser, product: Product, place: World
) -> None:
    async with Visitor.comes(browser, product.url, width=390) as visitor:
        page = await visitor.open("/", place.token())
        link = page.get_by_role("navigation").get_by_role("link", name="Drift")
        await expect(page.get_by_role("heading", name="Operations")).to_be_visible()
        await expect(link).not_to_be_in_viewport()
        await page.get_by_role("button", name="Menu").click()
        await link.click()
        await expect(page.get_by_role("heading", name="Drift", exact=True)).to_be_focused()
        await expect(link).not_to_be_in_viewport()


async def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Browser, product: Product, place: World
) -> None:
    long = "x" * 150
    await offer(place, {**policy("a"), "displayName": long}, {"id": f"broken-{long}"})
    async with Visitor.comes(browser, product.url, width=390) as visitor:
        page = await visitor.open(f"/t/{place.slug}/inventory", place.token(TenantRole.OWNER))
        await page.get_by_role("button", name=SYNC).click()
        await expect(rows(page, "Partially succeeded")).to_have_count(1)
        run = await rows(page).get_by_role("link").get_attribute("href")
        for path in (f"/t/{place.slug}/{name}" for name in ("operations", "drift", "backup-sets")):
            await fits(page)
            await page.goto(visitor.base + path)
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.goto(f"{visitor.base}{run}")
        await page.get_by_role("button", name=re.compile("A required part of the policy")).click()
        await expect(page.get_by_role("cell", name=f"broken-{long}")).to_be_visible()
        await page.get_by_text("Parameters").click()
        await fits(page)

        await page.goto(f"{visitor.base}/t/{place.slug}/operations")
        status = page.get_by_role("group", name="Status")
        await expect(status).to_have_count(0)
        await page.get_by_role("button", name="Filters").click()
        await status.get_by_text("Partially succeeded").click()
        await expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()
        await fits(page)


async def fits(page: Page) -> None:
    """Check that the page does not scroll sideways."""
    await expect(page.get_by_role("status", name="Loading")).to_have_count(0)
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= await page.evaluate("document.documentElement.clientWidth"), page.url


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)], ids=str
)
async def test_axe_reports_no_serious_problem(
    browser: Browser, product: Product, place: World, web_hub: Path, scheme: str, width: int
) -> None:
    axe = await asyncio.to_thread((web_hub / "node_modules/axe-core/axe.min.js").read_text)
    await offer(place, policy("a", passwordRequired=False), policy("b"))
    looks = {"scheme": scheme, "width": width}
    async with Visitor.comes(browser, product.url, **looks) as visitor:  # type: ignore[arg-type]
        for token in (None, place.token(TenantRole.READONLY), place.token(TenantRole.OWNER)):
            page = await visitor.open("/", *([token] if token else []))
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert await faults(page, axe) == []
        inventory = f"/t/{place.slug}/inventory"
        for ended, more in ((1, []), (2, [{"id": "broken"}])):
            await page.goto(visitor.base + inventory)
            await page.get_by_role("button", name=SYNC).click()
            await expect(rows(page, "ed")).to_have_count(ended)
            assert await faults(page, axe) == []
            await offer(place, policy("a", passwordRequired=True), policy("c"), *more)
        await page.get_by_role("button", name=SYNC).click()
        await expect(rows(page, "Partially succeeded")).to_have_count(1)
        await rows(page, "Partially succeeded").get_by_role("link").click()
        await page.get_by_role("button", name=re.compile("A required part of the policy")).click()
        await expect(page.get_by_role("cell", name="broken.json")).to_be_visible()
        assert await faults(page, axe) == []
        await page.get_by_role("button", name=re.compile("^Notifications")).click()
        assert await faults(page, axe) == []

        await page.goto(f"{visitor.base}/t/{place.slug}/drift")
        await page.get_by_role("button", name=f"Compare {SCOPE}").click()
        await page.get_by_role("button", name=re.compile("^Modified")).click()
        await expect(page.get_by_role("figure")).to_be_visible()
        assert await faults(page, axe) == []
        await page.goto(f"{visitor.base}/t/{place.slug}/backup-sets")
        await page.get_by_label("New backup set").fill("Set")
        await page.get_by_role("button", name="Create").click()
        await page.get_by_role("link", name="Set", exact=True).click()
        await expect(page.get_by_label("Policy a")).to_be_visible()
        assert await faults(page, axe) == []
