"""A process that asks a server once, and then looks for copies of what was said.

Its arguments: which client, the address, a file of authorities ("" for none) and the
file of the token that it sends. It writes the copies it finds as JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.memory import Draft, Sealed, SecretBuffer, count_copies, scrub

#: Bytes of the key and of the session token in the answer, which is JSON.
KEY, SESSION = slice(8, 48), slice(61, 417)


def main() -> None:
    client, address, ca_file, token_file = sys.argv[1:]
    token = read_in_place(token_file)
    ask = ours if client == "ours" else with_requests
    sys.stdout.write(json.dumps(ask(address, ca_file, token)))


def ours(address: str, ca_file: str, token: Sealed) -> dict[str, int]:
    from mlsecrets.issuers._http import HTTPClient

    client = HTTPClient(
        "issuer bao", address, SYSTEM_CLOCK, Path(ca_file) if ca_file else None
    )
    with Draft() as body:
        body.add('{"token": "').add_json(token).add('"}')
        answer = client.call(
            "POST",
            "/",
            timeout=10.0,
            secret_headers={"X-Vault-Token": token},
            body=body.sealed,
        )
    with answer.body.reading() as view:
        needles = SecretBuffer.of(view[KEY], view[SESSION])
    scrub()
    in_use = counted(needles, token)
    answer.close()
    client.close()
    return {"in use": in_use, "after": counted(needles, token)}


def with_requests(address: str, ca_file: str, token: Sealed) -> dict[str, int]:
    import requests

    text = token.text()
    response = requests.post(
        address,
        headers={"X-Vault-Token": text},
        data=json.dumps({"token": text}),
        timeout=10.0,
        verify=ca_file or True,
    )
    content = memoryview(response.content)
    needles = SecretBuffer.of(content[KEY], content[SESSION])
    in_use = counted(needles, token)
    response.close()
    del content, response, text
    gc.collect()
    return {"in use": in_use, "after": counted(needles, token)}


def read_in_place(path: str) -> Sealed:
    """A file's content in locked memory, and nowhere else."""
    file = os.open(path, os.O_RDONLY)
    try:
        buffer = SecretBuffer(os.fstat(file).st_size)
        with buffer.writable() as view:
            assert os.readv(file, [view]) == len(view)
    finally:
        os.close(file)
    return Sealed(buffer, 0, buffer.size)


def counted(needles: SecretBuffer, token: Sealed) -> int:
    report = count_copies([needles, token.buffer])
    assert (report.skipped, report.unsearched_slots) == (None, 0)
    return report.copies


if __name__ == "__main__":
    main()
