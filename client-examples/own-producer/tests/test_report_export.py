"""`report.export` on real servers."""

from pathlib import Path

import pytest
from opsrun.testing import InvalidContextError, Tenant

MONTH = "2026-11"


class Place:
    """The usage of a tenant, and its reports."""

    def __init__(self, folder: Path, tenant: Tenant) -> None:
        self.usage = folder / "usage" / str(tenant.id)
        self.reports = folder / "reports" / str(tenant.id) / MONTH

    def use(self, department: str, *lines: str) -> None:
        """Store what a department used in the month."""
        folder = self.usage / department
        folder.mkdir(parents=True)
        if lines:
            (folder / f"{MONTH}.csv").write_text("\n".join(("product,hours", *lines)))


@pytest.fixture
def place(tmp_path: Path, opsrun_tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Folders for this test; a killed worker gets the variables too."""
    monkeypatch.setenv("REPORT_USAGE", str(tmp_path / "usage"))
    monkeypatch.setenv("REPORT_FOLDER", str(tmp_path / "reports"))
    monkeypatch.setenv("REPORT_URL", "https://reports.example")
    return Place(tmp_path, opsrun_tenant)


def test_each_department_has_its_outcome(opsrun_tenant: Tenant, place: Place) -> None:
    place.use("finance", "Mail,12", "<b>,3")
    place.use("legal")
    place.use("sales", "Mail,many")
    run = opsrun_tenant.run("report.export", {"month": MONTH})
    assert (run.status, run.subject) == ("PARTIALLY_SUCCEEDED", MONTH)
    assert (run.counts.total, run.counts.succeeded) == (3, 1)
    assert run.failures["sales"].reason == "REPORT_USAGE_INVALID"
    assert run.failures["sales"].message == "Line 2 of 2026-11.csv is not a product and its hours."
    assert run.skipped == {"legal": "Nothing was used in 2026-11."}
    assert "<td>Mail<td>12<tr><td>&lt;b&gt;<td>3" in (place.reports / "finance.html").read_text()
    [link] = run.links
    assert link.url == f"https://reports.example/{opsrun_tenant.id}/2026-11/"


def test_only_the_chosen_departments_are_exported(opsrun_tenant: Tenant, place: Place) -> None:
    place.use("finance", "Mail,12")
    place.use("sales", "Mail,3")
    chosen = {"month": MONTH, "departments": ["sales", "moon"]}
    run = opsrun_tenant.run("report.export", chosen)
    assert run.failures["moon"].reason == "REPORT_UNKNOWN_DEPARTMENT"
    assert [page.name for page in place.reports.iterdir()] == ["sales.html"]


def test_without_the_usage_folder_the_run_fails(opsrun_tenant: Tenant, place: Place) -> None:
    run = opsrun_tenant.run("report.export", {"month": MONTH})
    assert run.status == "FAILED"
    assert run.failure is not None
    assert run.failure.reason == "REPORT_USAGE_UNAVAILABLE"


@pytest.mark.parametrize("department", ["../other-tenant", "a/b", ""])
def test_a_department_cannot_leave_the_folder(opsrun_tenant: Tenant, department: str) -> None:
    context = {"month": MONTH, "departments": [department]}
    with pytest.raises(InvalidContextError) as refused:
        opsrun_tenant.start("report.export", context)
    assert refused.value.problems[0].path == ("departments", "0")


def test_the_next_attempt_does_no_work_twice(opsrun_tenant: Tenant, place: Place) -> None:
    for department in ("a", "b", "c"):
        place.use(department, "Mail,12")
    run = opsrun_tenant.start("report.export", {"month": MONTH}).kill(batch=2)
    assert run.counts.succeeded == 1
    (place.reports / "a.html").unlink()
    run.work()
    assert (run.status, run.attempt, run.counts.succeeded) == ("SUCCEEDED", 2, 3)
    # The first page was recorded; the second one was written, but not recorded.
    assert sorted(page.name for page in place.reports.iterdir()) == ["b.html", "c.html"]
