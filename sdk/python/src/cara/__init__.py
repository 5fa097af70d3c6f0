"""The contract in Python, for components: one module for each part, imported as it is needed.

A module that stands for an interface of the host (`settings`, `secrets`, `state`, `http`, `turn`) can be imported only
by a component whose component.toml declares what that interface needs.
"""
