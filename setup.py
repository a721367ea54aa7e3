"""The list of packages, which setup.cfg cannot say: those that are found, and flags/ as nsmc_bert.flags."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["nsmc_bert*", "probing*"]), "nsmc_bert.flags"])
