"""Connectors are found, or the nearest name is told; settings that do not fit are settings errors."""

from __future__ import annotations

import pytest

from connectors import errors, registry
from connectors.http import Request, Response, SystemClock
from connectors.memory import Memory


class Nobody:
    """A network that must not be met."""

    def handle(self, request: Request) -> Response:
        raise AssertionError(f"nothing is sent to build a connector: {request}")


def test_the_built_in_connectors_register_like_strangers() -> None:
    assert {"brevo", "klaviyo", "mailchimp", "memory"} <= set(registry.names())
    assert registry.names() == sorted(registry.names())


@pytest.mark.parametrize("name", registry.names())
def test_a_connector_is_called_what_its_entry_point_says(name: str) -> None:
    assert registry.load(name).spec.name == name


def test_a_misspelt_connector_is_told_the_nearest() -> None:
    with pytest.raises(errors.SettingsError, match="did you mean 'klaviyo'"):
        registry.load("klavyo")


def test_an_unknown_connector_is_told_what_there_is() -> None:
    with pytest.raises(errors.SettingsError, match=r"installed: .*memory"):
        registry.load("zzzzzz")


def test_a_connector_is_built_without_a_call() -> None:
    connector = registry.build("memory", {"store": {}}, handler=Nobody(), clock=SystemClock())
    assert isinstance(connector, Memory)


@pytest.mark.parametrize("options", [{}, {"store": {}, "colour": "red"}])
def test_settings_that_do_not_fit_are_a_settings_error(options: dict[str, object]) -> None:
    with pytest.raises(errors.SettingsError, match=r"memory: .*(store|colour)"):
        registry.build("memory", options, handler=Nobody(), clock=SystemClock())


OWN = {"brevo": {}, "klaviyo": {}, "mailchimp": {"audience": "x"}, "activecampaign": {"base_url": "https://x.test", "list_name": "x"}}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_a_key_that_is_blank_is_named_before_any_call(name: str) -> None:
    with pytest.raises(errors.SettingsError, match=f"{name}: 'api_key' is empty") as missing:
        registry.build(name, {**OWN[name], "api_key": " "}, handler=Nobody(), clock=SystemClock())
    assert missing.value.key == "api_key"
