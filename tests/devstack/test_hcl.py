"""Configuration text that OpenBao reads as it was meant."""

from __future__ import annotations

import pytest

from mlsecrets.devstack import _hcl


@pytest.mark.parametrize(
    ("python", "hcl"),
    [
        (True, "true"),
        (-1, "-1"),
        ('a "quoted"\nline', '"a \\"quoted\\"\\nline"'),
        (["a", 1], '["a", 1]'),
        ({"type": "kv", "options": {"version": "2"}}, None),
    ],
)
def test_values(python: object, hcl: str | None) -> None:
    """Literals as HCL 1 spells them."""
    expected = hcl or '{ "type" = "kv", "options" = { "version" = "2" } }'
    assert _hcl.value(python) == expected


def test_interpolation_is_refused() -> None:
    """No value of ours may be read as an expression."""
    with pytest.raises(ValueError, match="plain string"):
        _hcl.value({"policy": "${file}"})


def test_a_block_keeps_its_labels() -> None:
    """JSON configuration would lose them."""
    text = _hcl.block("audit", ["file", "main"], _hcl.attributes(mode="0600"))
    assert text == 'audit "file" "main" {\n  mode = "0600"\n}\n'
