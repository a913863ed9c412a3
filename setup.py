"""Builds the C parts; everything else about the package stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup

BUILDS = [Path("emulator/native/build.py"), Path("fpisa/native/build.py")]

setup(cffi_modules=[f"{build}:ffibuilder" for build in BUILDS if build.exists()])
