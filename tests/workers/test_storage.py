"""Tensors' storages in a pool's pages: which are taken, when, and what becomes of them when torch frees them."""

import gc
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from emulator.native.pool import Pool
from tests.native.test_adopt import shared
from workers.torch_backend import storage
from workers.torch_backend.storage import Adopter, NoStorage

FLOATS = 40_000
compiled = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ (Debian: apt-get install g++)")


@pytest.fixture
def adopter():
    return Adopter(Pool(64 << 20))


def whole(adopter):
    """Whether all of the pool is free."""
    gc.collect()
    adopter.pool._collect()
    return adopter.pool._free == {0: adopter.pool.bytes}


@compiled
def test_the_second_time_it_is_adopted_in_place(adopter):
    tensor = torch.randn(FLOATS)
    copy, address, view, array = tensor.clone(), tensor.data_ptr(), tensor[5:].view(-1), tensor.numpy()
    adopter.see(tensor)
    assert not shared(address + 4096) and adopter.adopted == 0
    adopter.see(tensor)
    adopter.see(tensor)
    assert shared(address + 4096) and (adopter.adopted, tensor.data_ptr()) == (1, address)
    assert torch.equal(tensor, copy) and torch.equal(view, copy[5:]) and (array == copy.numpy()).all()
    tensor += 1
    assert (array == (copy + 1).numpy()).all()
    del tensor, view
    assert not whole(adopter)  # the array still has it
    del array
    assert whole(adopter) and len(adopter.seen) == 1
    adopter.forget()
    assert not adopter.seen


@compiled
def test_tensors_of_one_use_are_left_alone(adopter):
    for _ in range(20):  # torch gives the same memory each time
        adopter.see(torch.zeros(FLOATS))
    assert adopter.adopted == 0 and len(adopter.seen) <= 2


@compiled
def test_a_storage_that_is_resized_or_shared_gives_its_memory_back(adopter):
    for change in (lambda t: t.resize_(2 * FLOATS), lambda t: t.untyped_storage().resize_(0), torch.Tensor.share_memory_):
        tensor = torch.arange(FLOATS, dtype=torch.float32)
        adopter.see(tensor)
        adopter.see(tensor)
        assert not whole(adopter)
        change(tensor)
        assert whole(adopter)
        if tensor.untyped_storage().nbytes():
            assert torch.equal(tensor[:FLOATS], torch.arange(FLOATS, dtype=torch.float32))
    assert adopter.adopted == 3


@compiled
def test_only_whole_storages_of_torchs_own(adopter):
    base = torch.zeros(2 * FLOATS)
    others = [
        base[:FLOATS],  # somebody else may be writing to the rest
        torch.from_numpy(np.zeros(FLOATS, np.float32)),
        torch.zeros(FLOATS).share_memory_(),
        torch.zeros(1000),
    ]
    for tensor in others * 3:
        adopter.see(tensor)
    assert adopter.adopted == 0 and whole(adopter)


@compiled
def test_a_full_pool_is_no_error():
    adopter = Adopter(Pool(1 << 20))
    tensors = [torch.full((200_000,), float(i)) for i in range(3)]
    for tensor in tensors * 2:
        adopter.see(tensor)
    assert adopter.adopted == 1
    assert all((tensor == i).all() for i, tensor in enumerate(tensors))


@compiled
def test_many_come_and_go_on_several_threads(adopter):
    """Tensors are freed where torch likes; what malloc then does with the memory is its own affair."""
    from concurrent.futures import ThreadPoolExecutor

    def churn(seed):
        rng = np.random.default_rng(seed)
        kept = []
        for turn in range(60):
            tensor = torch.full((int(rng.integers(20_000, 200_000)),), float(turn))
            if seed == 0:
                adopter.see(tensor)
                adopter.see(tensor)
            kept.append((tensor, turn))
            if len(kept) > 8:
                old, value = kept.pop(int(rng.integers(8)))
                assert (old == value).all()
        return all((tensor == value).all() for tensor, value in kept)

    with ThreadPoolExecutor(3) as threads:
        assert all(threads.map(churn, range(3)))
    assert adopter.adopted == 60 and whole(adopter)


@compiled
def test_the_interpreters_end_with_memory_adopted(tmp_path):
    code = (
        "import torch; from emulator.native.pool import Pool; from workers.torch_backend.storage import Adopter\n"
        "a = Adopter(Pool(1 << 24)); t = torch.ones(100000); a.see(t); a.see(t); print(a.adopted)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@compiled
def test_without_a_compiler_there_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(storage, "SOURCE", tmp_path / "storage.cpp")
    (tmp_path / "storage.cpp").write_text("#error nothing to see\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NoStorage, match=r"did not compile: .*nothing to see"):
        storage.build()
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    with pytest.raises(NoStorage, match=r"no C\+\+ compiler found; install one"):
        storage.build()
