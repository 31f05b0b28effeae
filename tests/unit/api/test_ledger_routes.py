"""The ledger over HTTP: whoever holds an export or a checkpoint needs nobody's word."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clearway import ledger
from clearway.storage import Database

# Debian 12's Python 3.11.2 has no extraction filters yet; later ones ask for one.
SAFELY: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def test_verification_counts_every_entry(client: Callable[..., Any]) -> None:
    """A sound ledger verifies, also against a checkpoint that was kept."""
    auditor = client("audra")
    kept = auditor.get("/v1/ledger/checkpoint").json()
    client("dev")  # one more entry: a token
    found = auditor.get("/v1/ledger/verify").json()
    assert found["verified"] is True
    assert found["entries"] == kept["size"] + 1
    again = auditor.post("/v1/ledger/verify", json={"checkpoint": kept["note"]}).json()
    assert again["verified"] is True


def test_a_changed_entry_is_found(client: Callable[..., Any], database: Database) -> None:
    """Somebody with the database in hand changes one word; verification names the entry."""
    auditor = client("audra")
    with database.begin() as uow:
        for name in uow.connection.exec_driver_sql(
            "select name from sqlite_master where type = 'trigger'"
        ).all():
            uow.connection.exec_driver_sql(f'drop trigger "{name[0]}"')
        uow.connection.exec_driver_sql("update ledger_entry set actor = 'mallory' where \"index\" = 1")
    found = auditor.get("/v1/ledger/verify").json()
    assert found["verified"] is False
    assert found["problems"][0]["first"] == 1


def test_proofs_hold(client: Callable[..., Any]) -> None:
    """An inclusion proof leads to the checkpoint's root."""
    auditor = client("audra")
    kept = auditor.get("/v1/ledger/checkpoint").json()
    proof = auditor.get(f"/v1/ledger/proof?index=0&size={kept['size']}").json()
    assert proof["root"] == kept["root"]
    assert auditor.get(f"/v1/ledger/consistency?old=1&new={kept['size']}").status_code == 200
    assert auditor.get("/v1/ledger/proof?index=99999").status_code in (404, 422)


def test_an_export_verifies_without_a_server(client: Callable[..., Any], tmp_path: Path) -> None:
    """The archive holds everything that the stand-alone program needs; a changed byte is found."""
    answer = client("audra").get("/v1/ledger/export")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "out", **SAFELY)
    folder = tmp_path / "out" / "ledger"
    key = (folder / "verifier.key").read_text().strip()
    assert ledger.verify_folder(folder, key).ok
    (script,) = folder.glob("*.py")
    command = [sys.executable, str(script), str(folder), "--key", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    entries = next(path for path in sorted((folder / "tile" / "entries").rglob("*")) if path.is_file())
    raw = bytearray(entries.read_bytes())
    raw[10] ^= 1
    entries.write_bytes(raw)
    assert not ledger.verify_folder(folder, key).ok
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
