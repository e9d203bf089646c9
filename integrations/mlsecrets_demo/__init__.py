"""The demonstration: a real training run on credentials that live ten seconds.

``python -m mlsecrets_demo`` (also ``mlsecrets demo`` and ``make demo``) starts real
engines on this machine, trains a small net on real data from a real store while its
credentials are replaced under it again and again, ends them, and tries them once more.
What it prints at the end comes from the journal and from the engines' own logs.

Start reading at `train.leased`, which is the script that a user would write.
"""
