"""`mlsecrets.toml`: which credentials a job may lease, from where and for how long.

>>> from pathlib import Path
>>> from mlsecrets.manifest import load
>>> manifest = load(Path("mlsecrets.toml"))                        # doctest: +SKIP
>>> manifest.scope("train-data").access                           # doctest: +SKIP
(Access(verb='read', url='s3://datasets/digits/*'),)
"""

from ._find import FILE_NAME, VARIABLE, find
from ._kinds import Kinds, kinds
from ._load import load
from ._manifest import Manifest, Section
from ._problems import ManifestProblems

__all__ = [
    "FILE_NAME",
    "VARIABLE",
    "Kinds",
    "Manifest",
    "ManifestProblems",
    "Section",
    "find",
    "kinds",
    "load",
]
