"""A room is entered only by its door (its __init__), or, by adapters, by its ports."""

from __future__ import annotations

from typing import Any

from importlinter import Contract, ContractCheck, fields, output


class DoorsContract(Contract):
    """No module outside a room imports a module inside it, but for ports by adapters."""

    root: Any = fields.StringField()
    port_users: Any = fields.ListField(subfield=fields.StringField())
    free: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: Any, verbose: bool) -> ContractCheck:
        """Walk every direct import once and collect those that walk past a door."""
        broken = []
        for importer in sorted(graph.modules):
            home = importer.split(".")[:2]
            if len(home) < 2 or home[1] in self.free:
                continue
            for target in sorted(graph.find_modules_directly_imported_by(importer)):
                parts = target.split(".")
                if parts[0] != self.root or len(parts) < 3 or parts[:2] == home:
                    continue
                if parts[2] == "ports" and home[1] in self.port_users:
                    continue
                broken.append((importer, target))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import that walks past a door."""
        for importer, target in check.metadata["broken"]:
            output.print_error(f"{importer} walks past the door of {target}")
