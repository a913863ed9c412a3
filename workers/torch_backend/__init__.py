"""The torch.distributed backend "fpisa": sums in the switch, everything else by gloo.

`import torch` loads `register` through the entry point `torch.backends`, so a script needs one changed line:

    torch.distributed.init_process_group("fpisa")

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


def _create(options: Any, backend_options: Any) -> Any:
    from workers.torch_backend.group import create

    return create(options)


def _rendezvous(url: str, **kwargs: Any) -> Any:
    from workers.torch_backend.settings import rendezvous

    return rendezvous(url, **kwargs)
