"""``polymap doctor``: what of the programs and packages is there."""

from __future__ import annotations

from dataclasses import asdict

from hw.isa.errors import InputError
from polymap import api
from polymap.commands import output
from polymap.commands.options import Json


def doctor(as_json: Json = False) -> None:
    """List the programs and packages in use, and how to get those that are absent."""
    findings = api.diagnose()
    missing = [finding for finding in findings if finding.missing]
    if as_json:
        output.document({"ready": not missing, "findings": [asdict(one) for one in findings]})
    else:
        output.table(
            ("name", "found", "needed for", "to get it"),
            (),
            [
                (one.name, one.found or "absent", one.needed_for, "" if one.found else one.remedy)
                for one in findings
            ],
        )
    if missing:
        raise InputError("missing: " + ", ".join(f"{one.name} ({one.remedy})" for one in missing))
