"""Tensors on the reducer's thread: types, layouts, averages, order, errors; and the DDP hook. One process."""

import pytest
import torch

from fpisa.formats import get_format
from tests.p4.model import Program
from tests.workers.cluster import clients, everyone, model_for
from workers.allreduce import Options
from workers.comm_hook import allreduce_hook
from workers.join import PeerLost
from workers.torch_backend.reducer import Reducer

FUTURE = torch.futures.Future
NUMBERS = torch.tensor([[1.0, -2.0, 0.5], [2.0, 0.0, -7.0]])


def reducers(fmt="fp32", workers=2):
    shape = "int" if fmt == "int32" else "exact"
    options = Options(format=fmt, elements=32, slots=4)
    source = get_format("fp32" if shape == "int" else fmt)
    model = model_for(workers, options, Program(shape, source, 32, 16))
    return [Reducer(client) for client in clients(model.process, workers, options)]


def both(work, fmt="fp32"):
    """Run `work(reducer, rank)` on two ranks."""
    made = reducers(fmt)
    try:
        return everyone(made, work)
    finally:
        for reducer in made:
            reducer.close()


@pytest.mark.parametrize(
    ("fmt", "dtype"),
    [
        ("fp32", torch.float32),
        ("fp16", torch.float16),
        ("bf16", torch.bfloat16),
        ("fp8_e5m2", torch.float8_e5m2),
        ("int32", torch.int32),
        ("int32", torch.float32),
    ],
)
@pytest.mark.parametrize("average", [False, True])
def test_every_type_a_job_carries(fmt, dtype, average):
    def work(reducer, rank):
        tensor = (NUMBERS * (2 * rank + 1)).to(dtype)
        assert reducer.carries(tensor)
        reducer.submit([tensor], average).wait()
        return tensor.float()

    # Rounded on the way in, after the sum, and after the division.
    inputs = [(NUMBERS * factor).to(dtype).double() for factor in (1, 3)]
    expected = sum(inputs).to(dtype).double()
    if average:
        expected = (expected / 2).floor() if dtype == torch.int32 else (expected / 2).to(dtype)
    expected = expected.float()
    for result in both(work, fmt):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-6 if fmt == "int32" else 0)


def test_what_a_job_does_not_carry():
    (reducer,) = reducers(workers=1)
    assert not reducer.carries(torch.zeros(2, dtype=torch.float64))
    assert not reducer.carries(torch.zeros(2).to_sparse())
    reducer.close()


def test_layouts_and_order():
    """Transposed views and several tensors in flight; each future is of its own tensor."""

    def work(reducer, rank):
        first, second = torch.full((5, 3), 1.0 + rank).t(), torch.arange(6.0)
        futures = [reducer.submit([first], False), reducer.submit([second], True)]
        return [future.wait()[0].clone() for future in reversed(futures)]

    for second, first in both(work):
        assert first.tolist() == [[3.0] * 5] * 3 and second.tolist() == list(map(float, range(6)))


class FailingClient:
    """Looks like a client whose peer has gone."""

    def __init__(self):
        self.options, self.closed, self.pool = Options(), 0, None

    def allreduce(self, array):
        raise PeerLost((2,), "its connection broke")

    def close(self):
        self.closed += 1


def test_an_error_reaches_who_waits():
    client = FailingClient()
    reducer = Reducer(client)
    future = reducer.submit([torch.zeros(3)], False)
    with pytest.raises(RuntimeError, match="fpisa: rank 2 went silent: its connection broke"):
        future.wait()
    reducer.close()
    reducer.close()
    assert client.closed == 1


class Bucket:
    """What the hook needs of torch.distributed.GradBucket."""

    def __init__(self, tensor):
        self.tensor = tensor

    def buffer(self):
        return self.tensor


def test_the_hook_averages_the_bucket():
    def work(reducer, rank):
        gradient = torch.full((40,), 2.0 * rank)
        result = allreduce_hook(reducer, Bucket(gradient)).wait()
        assert result.data_ptr() == gradient.data_ptr()
        return result.tolist()

    assert both(work) == [[1.0] * 40] * 2


def test_the_hook_refuses_other_types():
    reducer = Reducer(FailingClient())
    with pytest.raises(TypeError, match=r"a job of format fp32 cannot sum torch\.float64 gradients"):
        allreduce_hook(reducer, Bucket(torch.zeros(3, dtype=torch.float64)))
    reducer.close()


class Gpu(torch.Tensor):
    """Host memory that says it is a GPU's."""

    is_cuda = property(lambda self: True)
    device = property(lambda self: torch.device("cuda", 0))  # type: ignore[assignment]


class FakeStream:
    """Notes what is asked of it. `record_event` gives something to wait for."""

    def __init__(self, notes, name):
        self.notes, self.name = notes, name

    def record_event(self):
        self.notes.append("recorded")
        return FakeStream(self.notes, "event")

    def synchronize(self):
        self.notes.append(f"waited for the {self.name}")


def test_a_gpu_tensor_is_read_after_its_event_and_done_after_the_stream(monkeypatch):
    """Without a GPU: the order of the steps, and that the future knows the device."""
    from workers.torch_backend import reducer as module

    notes = []
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: FakeStream(notes, "stream"))
    monkeypatch.setattr(module, "Future", lambda devices=(): notes.append([str(d) for d in devices]) or FUTURE())
    monkeypatch.setattr(module, "pinned", lambda tensor: notes.append("staged") or torch.empty(tensor.shape))

    class Client(FailingClient):
        seat = type("Seat", (), {"workers": 2})

        def allreduce(self, array):
            notes.append("summed")
            array *= 6

    reducer = Reducer(Client())
    tensor = torch.arange(4.0).as_subclass(Gpu)
    reducer.submit([tensor], True).wait()
    reducer.close()
    assert notes == [["cuda:0"], "recorded", "staged", "waited for the event", "summed", "waited for the stream"]
    assert torch.Tensor(tensor).tolist() == [0.0, 3.0, 6.0, 9.0]
