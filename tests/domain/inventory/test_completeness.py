"""A document is refused if it declares more than it holds."""

from typing import Any

import pytest

from domain.inventory.completeness import require_complete
from domain.runs.failures import FailureReason, ProducerError

NEXT = "https://graph.microsoft.com/beta/deviceManagement/configurationPolicies?$skiptoken=x"


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"settingCount": 2, "settings": [{}]}, "1 of 2 settings"),
        ({"settingCount": 3, "settings": None}, "0 of 3 settings"),
        ({"settingCount": 3}, "0 of 3 settings"),
        ({"settings": [{}], "settings@odata.nextLink": NEXT}, "only the first page of settings"),
        ({"@odata.nextLink": NEXT}, "only the first page of a list"),
        (
            {"definitionValues": [{"presentationValues@odata.nextLink": NEXT}]},
            "only the first page of presentationValues",
        ),
        ({"assignments@odata.count": 3, "assignments": [{}]}, "1 of 3 assignments"),
    ],
)
def test_the_error_names_the_missing_part(body: dict[str, Any], missing: str) -> None:
    with pytest.raises(ProducerError) as caught:
        require_complete(body)
    assert caught.value.reason == FailureReason.INCOMPLETE_POLICY
    assert caught.value.message == (
        f"The document is incomplete: it holds {missing}. Export the policy again."
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"settingCount": 0},
        {"settingCount": None, "settings": []},
        {"settingCount": "2", "settings": []},
        {"settingCount": 1, "settings": [{}, {}]},
        {"settings@odata.nextLink": None, "@odata.nextLink": ""},
        {"assignments@odata.count": 1, "assignments": [{}]},
        {"@odata.count": 25},
        {"nextLink": NEXT, "setting": {"settingCount": 9}},
    ],
)
def test_a_complete_document_is_accepted(body: dict[str, Any]) -> None:
    require_complete(body)
