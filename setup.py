"""Builds the C packet rings; everything else about the package stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup

BUILD = Path("emulator/native/build.py")

setup(cffi_modules=[f"{BUILD}:ffibuilder"] if BUILD.exists() else [])
