"""The whole comparison with SwitchML over shared-memory ports: sweeps, the eight models' replay, tables and a page."""
