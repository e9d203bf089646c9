"""The block around a program's tracking: signed inside, all of it sent at its end."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import mlflow
import requests
from mlflow.exceptions import MlflowException
from mlflow.tracking.request_auth.registry import fetch_auth

from mlsecrets import Lease, lease
from mlsecrets.errors import LeaseError, NotLeased
from mlsecrets.http import LateSession

from ._provider import NAME, SCOPE_VARIABLE, TrackingAuth, scope_for
from ._sessions import late_sessions

_log = logging.getLogger(__name__)

#: Long-lived secrets that MLflow would use or pass on besides the lease: into each
#: process it starts, and into the headers of OpenTelemetry exporters.
RIVALS = (
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
)
#: With it MLflow signs requests otherwise, and asks no provider.
OTHER_SIGNER = "MLFLOW_TRACKING_AWS_SIGV4"
#: With one of them MLflow sends traces to a collector, and asks no provider there.
COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@contextmanager
def tracking(uri: str | None = None, *, scope: str | None = None) -> Iterator[Lease]:
    """Lease what MLflow needs for a block, and have everything sent before it ends.

    Inside, the tracking URI is the leased server's and every request to it is signed as
    it is sent, on MLflow's own threads and in processes started here too; one that
    would have a live secret recorded is refused. At the end, also after an
    exception: what was logged asynchronously is sent, runs begun inside are ended, and
    only then the lease is. A block of `mlsecrets.lease` around it may hold the same
    scope; they share it.

    Args:
        uri: the tracking server; else the URI that MLflow has, if one was set; else the
            server that the scope's access says ``use`` of.
        scope: what to lease; else as `LeaseRequestAuthProvider` chooses.

    Raises:
        LeaseError: long-lived credentials for MLflow are in the environment, or MLflow
            does not find our provider.
        NotLeased: the scope may not be used at that server.
        IdentityError, IssuerError, ManifestError: as from `mlsecrets.lease`.
    """
    _refuse_rivals()
    uri = uri or _uri_set()
    with ExitStack() as exits:
        held = exits.enter_context(lease(scope or scope_for(uri or "")))
        uri = uri or _server_of(held)
        settings = {"MLFLOW_TRACKING_AUTH": NAME}
        if scope is not None:
            settings[SCOPE_VARIABLE] = scope
        exits.enter_context(_environment(settings))
        exits.enter_context(late_sessions())
        _check_signing(uri)
        exits.enter_context(_tracking_uri(uri))
        outer = mlflow.active_run()
        try:
            yield held
        except BaseException:
            try:
                _finish_anyway(outer, "FAILED")
            except MlflowException as failure:
                # The block's own exception is the news.
                _log.warning("MLflow did not get the end of the run: %s", failure)
            raise
        _finish_anyway(outer, "FINISHED")


def flush() -> None:
    """Wait until everything that was logged asynchronously has been sent.

    For programs that lease for MLflow without `tracking`: the last call in the block.
    """
    mlflow.flush_async_logging()
    if mlflow.active_run() is not None:
        # It would begin a run if there were none.
        mlflow.flush_artifact_async_logging()
    mlflow.flush_trace_async_logging()


def _finish_anyway(outer: mlflow.ActiveRun | None, status: str) -> None:
    """Finish, also if a signal says meanwhile that the process is to end.

    It often does: a launcher ends the other ranks of one that has failed, which are
    failing by then.
    """
    try:
        _finish(outer, status)
    except (SystemExit, KeyboardInterrupt):
        _finish(outer, status)
        raise


def _finish(outer: mlflow.ActiveRun | None, status: str) -> None:
    flush()
    keep = outer.info.run_id if outer is not None else None
    while (run := mlflow.active_run()) is not None and run.info.run_id != keep:
        try:
            mlflow.end_run(status)
        except (SystemExit, KeyboardInterrupt):
            # MLflow has forgotten the run by now, and would not find it again.
            mlflow.MlflowClient().set_terminated(run.info.run_id, status)
            raise


def _refuse_rivals() -> None:
    rivals = [name for name in RIVALS if os.environ.get(name)]
    if os.environ.get(OTHER_SIGNER, "").lower() in {"true", "1"}:
        rivals.append(OTHER_SIGNER)
    if rivals:
        raise LeaseError(
            f"MLflow would not use the lease alone: {', '.join(rivals)} in the "
            "environment",
            remedy=f"unset {', '.join(rivals)}; the lease takes their place",
        )
    collector = next((name for name in COLLECTORS if os.environ.get(name)), None)
    if collector is not None:
        warnings.warn(
            f"traces go to the collector that {collector} names, which no lease signs",
            UserWarning,
            stacklevel=4,  # the user's with statement: contextmanager is in between
        )


def _server_of(held: Lease) -> str:
    origins = [access.origin for access in held.view.access if access.origin]
    if len(origins) != 1:
        raise NotLeased(
            f"{held.scope} may be used at {len(origins)} servers, expected 1 to take "
            "for the tracking server",
            remedy='say which: tracking("https://…")',
        )
    return origins[0]


def _check_signing(uri: str) -> None:
    """Sign a request to the server that is never sent.

    MLflow goes on unsigned, with a mere warning, if it does not know the provider.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Could not find any registered plugin")
        auth = fetch_auth(NAME)
    if not isinstance(auth, TrackingAuth):
        raise LeaseError(
            f"MLflow does not find the request auth provider {NAME!r} of this package, "
            f"and would send its requests unsigned; it has {auth!r}",
            remedy="install mlsecrets again, so that its entry points are there; look "
            "for another package with a provider of that name",
        )
    with LateSession() as session:
        session.prepare_request(requests.Request("GET", uri, auth=auth))


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            _put(name, value)


@contextmanager
def _tracking_uri(uri: str) -> Iterator[None]:
    before = _uri_set()
    variable = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        # None is what MLflow's own tests put there: not set, so the environment counts.
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # see above
        _put("MLFLOW_TRACKING_URI", variable)
        if before is not None and mlflow.get_tracking_uri() != before:
            mlflow.set_tracking_uri(before)


def _uri_set() -> str | None:
    is_set = mlflow.is_tracking_uri_set()
    return mlflow.get_tracking_uri() if is_set else None


def _put(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
