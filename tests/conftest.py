"""What all tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mlsecrets import _current, _reference, configure

pytest_plugins = ["mlsecrets.testing.plugin"]

# A shell starts background jobs, and nohup anything, with SIGINT ignored, and every
# process started from here would inherit that: the tests that press Ctrl-C need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def mlsecrets_stack_options() -> Mapping[str, Any]:
    """Ten-second credentials, and an administrator to prepare odd cases with."""
    return {"ttl": 10, "ops": True}


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of one test's leases reaches the next."""
    for name in ("MLSECRETS_CONFIG", "MLSECRETS_JOURNAL", "MLSECRETS_SOCK"):
        monkeypatch.delenv(name, raising=False)
    # What is read by name, or was shown by a reference, is kept for the process.
    monkeypatch.setattr(_reference, "_shown", None)
    # A sweep of this large process takes a second: only where it is what is tested.
    monkeypatch.setattr(_current, "SWEEPING", "never")
    yield
    session = _current.current()
    if session is not None:
        left_open = session.busy
        if left_open:
            session.close()  # not for the next test to fail at
        configure()
        assert not left_open, "a test left a lease open"
