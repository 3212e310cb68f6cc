"""What was stored of rings and pairs is taken up by a process that starts with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from detectors.coordination.parameters import Parameters
from detectors.coordination.stream import Stream

_ROOT = Path(__file__).parents[2]
#: Nothing is compiled before the state is loaded, as after a restart.
_AFTER = """
import sys
import numpy as np
from detectors.coordination.parameters import Parameters
from detectors.coordination.stream import Stream
from tests.unit.test_coordination_restart import push
stream = Stream(Parameters().live())
with np.load(sys.argv[1]) as state:
    stream.load({name: state[name] for name in state.files})
push(stream, 1)
print(len(stream.judge().pairs))
"""


def push(stream: Stream, part: int) -> None:
    draw = np.random.default_rng(part)
    account = draw.integers(0, 20, 3000)
    what = draw.integers(0, 400, 3000).astype(np.uint64)
    times = np.sort(draw.integers(0, 3_600_000, 3000)) + 3_600_000 * part
    stream.push(account, what, np.zeros(3000, np.uint8), times)


def test_a_new_process_goes_on_from_stored_arrays(tmp_path: Path) -> None:
    stream = Stream(Parameters().live())
    push(stream, 0)
    file = tmp_path / "state.npz"
    np.savez(file, **stream.dump())  # type: ignore[arg-type]
    done = subprocess.run(
        [sys.executable, "-c", _AFTER, str(file)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    push(stream, 1)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) == len(stream.judge().pairs) > 10
    assert "Warning" not in done.stderr
