"""Environments of Python with the versions that a suite asks for."""

import hashlib
import subprocess
import sys
from pathlib import Path


def environment(folder: Path, requirements: Path) -> Path:
    """The interpreter of an environment, made if it is not there or asks for other versions than it has."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp, python = folder / "requirements.sha256", folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]
        subprocess.run(pip, check=True)
        stamp.write_text(digest)
    return python
