"""The Hugging Face Trainer and Accelerate on leased credentials."""

from __future__ import annotations
