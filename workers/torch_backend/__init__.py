"""The torch.distributed backend "fpisa": sums in the switch, everything else by gloo.

`import torch` loads `register` through the entry point `torch.backends`, so a script needs one changed line:

    torch.distributed.init_process_group("fpisa")

Where the switch is reached through shared memory, it reads contributions from a tensor's memory and writes results there itself:
DistributedDataParallel's buckets, and whatever is summed more than once, as of the second time; tensors of
`registered_empty` from the first time on, whatever their size.

Options come from the environment or a URL, see `workers.torch_backend.settings`.
"""

from __future__ import annotations

from typing import Any

NAME = "fpisa"
DEVICES = ["cpu", "cuda"]


def register() -> None:
    """Make the backend known to torch.distributed; nothing else of it is imported before it is used."""
    import torch.distributed as dist

    if not dist.is_available() or NAME.upper() in dist.Backend._plugins:
        return
    dist.Backend.register_backend(NAME, _create, extended_api=True, devices=DEVICES)
    from torch.distributed.rendezvous import register_rendezvous_handler

    register_rendezvous_handler(NAME, _rendezvous)


def registered_empty(*shape: int, dtype: Any = None, group: Any = None) -> Any:
    """An uninitialised CPU tensor whose all_reduce in `group` (the default one) costs this process no copy.

        gradients = registered_empty(1_000_000)

    dtype: torch's default one. It is an ordinary tensor; where the group is not FPISA's, reaches the switch by a network, or its
    pool (half of the machine's memory) is used up, it lies in ordinary memory. In a forked child it is the child's own, with
    its parent's values until the child writes to it. Raises RuntimeError where there is no process group."""
    import torch

    from workers.torch_backend.group import registered_empty as make

    return make(shape, torch.get_default_dtype() if dtype is None else dtype, group)


def _create(options: Any, backend_options: Any) -> Any:
    from workers.torch_backend.group import create

    return create(options)


def _rendezvous(url: str, **kwargs: Any) -> Any:
    from workers.torch_backend.settings import rendezvous

    return rendezvous(url, **kwargs)
