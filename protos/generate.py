"""Write the stubs under protos/gen from the protos beside this file.

Run as ``make protos``; tests/arch checks that what is committed equals what this writes.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent


def generate(target: Path) -> None:
    """Write every stub below ``target``; exits with protoc's complaint if it has one."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    protos = sorted(str(path.relative_to(HERE)) for path in HERE.glob("gatebeyz/**/*.proto"))
    well_known = Path(protoc.__file__).parent / "_proto"
    arguments = [
        "protoc",
        f"-I{HERE}",
        f"-I{well_known}",
        f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}",
        f"--python_out={target}",
        f"--pyi_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_grpc_out={target}",
        *protos,
    ]
    if protoc.main(arguments) != 0:
        sys.exit("protoc refused the protos (see above)")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "gen")
