"""The API listens on an exclusive port, and prints an address that browsers can open."""

import socket
from collections.abc import Iterator

import pytest

from opsrun.api import listening
from opsrun.api.listening import address, inherited_socket, listening_socket
from opsrun.settings import Settings, SettingsError


def settings(**values: object) -> Settings:
    return Settings.model_validate({"public_url": None, "port": None, **values})


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use during the test."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield somebody.getsockname()[1]


def test_the_configured_port_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with listening_socket(settings(port=port)) as bound:
        assert bound.getsockname() == ("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_a_configured_port_in_use_is_reported(taken: int) -> None:
    with pytest.raises(SettingsError) as refused:
        listening_socket(settings(port=taken))
    assert "OPSRUN_PORT" in str(refused.value)
    assert f"127.0.0.1:{taken}: Address already in use" in str(refused.value)
    assert "Set another port" in str(refused.value)


def test_the_host_of_another_machine_is_reported() -> None:
    with pytest.raises(SettingsError, match="OPSRUN_HOST"):
        listening_socket(settings(host="192.0.2.1", port=0))


def test_without_a_port_the_default_or_the_next_is_used(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "DEFAULT_PORT", taken)
    with listening_socket(settings()) as first, listening_socket(settings()) as second:
        ports = [taken, first.getsockname()[1], second.getsockname()[1]]
    assert ports == sorted(ports)
    assert ports[-1] < taken + 10


def test_without_a_port_nearby_any_free_one_is_used(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "DEFAULT_PORT", taken)
    monkeypatch.setattr(listening, "_PORTS", 1)
    with listening_socket(settings()) as bound:
        assert bound.getsockname()[1] != taken


def test_no_other_process_can_listen_between_binding_and_serving() -> None:
    with listening_socket(settings(port=0)) as bound, pytest.raises(SettingsError):
        listening_socket(settings(port=bound.getsockname()[1]))


def test_addresses_can_be_opened() -> None:
    with listening_socket(settings(port=0)) as bound:
        port = bound.getsockname()[1]
        assert address(settings(), bound) == f"http://127.0.0.1:{port}"
        public = settings(public_url="https://ops.example/hub/")
        assert address(public, bound) == "https://ops.example/hub"


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_ipv6_address_has_brackets() -> None:
    try:
        bound = listening_socket(settings(host="::1", port=0))
    except SettingsError:
        pytest.skip("IPv6 is turned off here")
    with bound:
        assert address(settings(), bound) == f"http://[::1]:{bound.getsockname()[1]}"


def test_an_inherited_socket_is_used() -> None:
    with listening_socket(settings(port=0)) as bound:
        place = bound.getsockname()
        with inherited_socket(bound.detach()) as inherited:
            assert inherited.getsockname() == place
            with socket.create_connection(place, timeout=5):
                pass


def test_an_invalid_descriptor_is_reported(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("file") / "file"
    with path.open("w") as file, pytest.raises(SettingsError, match=f"--fd {file.fileno()} "):
        inherited_socket(file.fileno())
    with pytest.raises(SettingsError, match="--fd 12345 "):
        inherited_socket(12345)
