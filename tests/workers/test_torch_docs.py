"""docs/TORCH.md does what it says: its script, its hosts file and its commands, as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "TORCH.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)
    return found


def run(folder: Path, script: str, **more: str) -> subprocess.CompletedProcess:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **more}
    return subprocess.run(["bash", "-mc", script], cwd=folder, env=env, text=True, capture_output=True, timeout=200)


@pytest.mark.slow
def test_the_example_trains_as_with_gloo(tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "p4src").symlink_to(ROOT / "p4src")
    (tmp_path / "train.py").write_text(block("python"))
    (tmp_path / "hosts.json").write_text(block("json"))
    # Any free port, where the page has one that a reader can remember.
    script = block("sh").replace("127.0.0.1:9559 --ready-file", "127.0.0.1:0 --ready-file")
    script = script.replace("--switch 127.0.0.1:9559", "--switch $(sed 's/.*grpc=\\([^ ]*\\).*/\\1/' switch.ready)")
    done = run(tmp_path, script)
    said = re.search(r"It prints `(accuracy .*?)`", TEXT)
    assert said is not None and said[1] in done.stdout and done.returncode == 0, done.stdout + done.stderr
    assert {"w0", "w1", "control", "switch.ready", "controller.ready"}.isdisjoint(os.listdir(tmp_path))
    assert said[1] in run(tmp_path, "torchrun --nproc-per-node 2 train.py", BACKEND="gloo").stdout


def test_every_setting_is_on_the_page():
    from workers.torch_backend.settings import PREFIX, known

    assert set(re.findall(r"`(FPISA_\w+)`", TEXT)) == {PREFIX + name.upper() for name in known()}
