"""Looking for copies of secrets in this process, from outside, and wiping them."""
