"""The bundle that CodeDeploy brings onto an instance: appspec.yml, hooks, units, and the digest of one image."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "codedeploy"

# The earliest that a zip knows: the same sources give the same bundle.
MOMENT = (1980, 1, 1, 0, 0, 0)


def bundle(digest: str) -> bytes:
    """The zip of everything but the tests."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(SOURCE.rglob("*")):
            name = path.relative_to(SOURCE)
            if path.is_file() and name.parts[0] != "test":
                _add(archive, str(name), path.read_bytes(), path.stat().st_mode & 0o777)
        _add(archive, "image.txt", f"{digest}\n".encode(), 0o644)
    return out.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    entry = zipfile.ZipInfo(name, MOMENT)
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
