"""Seeds: every random test prints the one it used; FPISA_SEED repeats it."""

import os
import random

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    seed = int(os.environ.get("FPISA_SEED", random.SystemRandom().getrandbits(32)))
    print(f"FPISA_SEED={seed}")
    return np.random.default_rng(seed)
